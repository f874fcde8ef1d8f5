"""The endpoints as CGI and FastCGI processes, without a web server between."""
