"""The gateway behind real web servers, with the configuration files that it ships."""
