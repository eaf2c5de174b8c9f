"""The look that all pages share: templates, styles, small ES modules, catalogues."""
