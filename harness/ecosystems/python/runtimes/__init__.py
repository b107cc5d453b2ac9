"""Python runtimes: installed CPythons, packed as the archives that buildpacks download."""
