"""Static assets: the API page, and vendored files under ``vendor`` (see ``vendor/vendor.json``)."""
