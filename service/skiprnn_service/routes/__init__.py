"""The routes, one file a group. Imports the server's state and all below it: not server, app, middleware."""
