"""The look that all pages share: templates, styles, a few ES modules, catalogues (zh, en), live events; imports nothing of ours."""

from web.rendering import Look, NavItem, Shell, templates
from web.serving import attach, language_of, wants_json

__all__ = ["Look", "NavItem", "Shell", "attach", "language_of", "templates", "wants_json"]
