// Starts the page. A file of its own, because the content security policy allows no inline script.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false, // a bearer token does not belong in the browser's storage
  tryItOutEnabled: true,
  validatorUrl: null, // the default would send the API description to a foreign server
});
