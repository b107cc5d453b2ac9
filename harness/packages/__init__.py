"""Python distributions for the sealed index: releases built from forks, and build tools."""
