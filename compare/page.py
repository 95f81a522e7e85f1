"""Pages of the report, from the templates."""

from __future__ import annotations

from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Fill a template; all text is escaped, and a value that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compare"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(**values)
