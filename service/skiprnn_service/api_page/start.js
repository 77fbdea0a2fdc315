// Swagger UI of this server's routes. A file of its own: the content security policy allows no script within a page.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#routes",
  deepLinking: true,
  validatorUrl: null, // would send the document to a foreign host
});
