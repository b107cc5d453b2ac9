"""Reports: results in, text out; nothing here prints or writes."""
