"""The theme as CSS variables: `--leaked`, `--ink`, for light and dark paper. The page's style knows no colour."""

from __future__ import annotations

from dataclasses import asdict

from tracecollect.render.theme import looks, paper


def spell() -> str:
    """Light by default, dark where the reader's system or the attribute `data-paper` of the root says so."""
    light, dark = _variables(dark=False), _variables(dark=True)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-paper]) {{ color-scheme: dark; {dark} }} }}\n"
        f':root[data-paper="dark"] {{ color-scheme: dark; {dark} }}\n'
        f"@media print {{ :root:not(#_) {{ color-scheme: light; {light} }} }}\n"
    )


def _variables(*, dark: bool) -> str:
    plain = {name: value for name, value in asdict(paper(dark=dark)).items() if name != "font"}
    roles = {f"role-{role}": look.color(dark=dark) for role, look in looks().items()}
    return " ".join(f"--{name.replace('_', '-')}: {value};" for name, value in (plain | roles).items())
