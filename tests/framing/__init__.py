"""The endpoints against peers of the FastCGI socket that do what no web server should."""
