"""A page that people keep and send around: no script, nothing from elsewhere, light and dark."""

from html import escape

STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1c;--soft:#666;--ground:#fff;--line:#ddd;--ref:#2a6fbb;--now:#c2410c;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--soft:#a0a0a0;--ground:#16181b;--line:#3a3d42;--ref:#6cb0ff;--now:#ff9a5c;--bad:#ff7b7b}}
*{box-sizing:border-box}body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem}p.soft,small{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{padding:.3rem .6rem;text-align:left;
border-bottom:1px solid var(--line);vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td,h3,p{overflow-wrap:anywhere}td{min-width:8rem}td.n,td.t{min-width:0}td.t,th{white-space:nowrap}figure{margin:.6rem 0}svg{width:100%;height:9rem;display:block}
svg *{vector-effect:non-scaling-stroke}figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;color:var(--soft);font-size:.85rem}
.curve{fill:var(--ink);stroke:var(--ink);stroke-width:1}polyline{fill:none;stroke-width:2}.reference{stroke:var(--ref)}
.present{stroke:var(--now)}line{stroke-width:2}line.found{stroke:var(--bad)}line.began{stroke:var(--bad);stroke-dasharray:5 4}
line.fault{stroke:var(--now)}line.model{stroke:var(--ref)}b.ref{color:var(--ref)}b.now{color:var(--now)}a{color:inherit}
"""  # noqa: E501 - style, packed

END = "</body></html>\n"


def head(title: str) -> str:
    """Everything up to the body, ``title`` escaped."""
    # Should a name get past the escaping after all, nothing may run or be fetched.
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            policy,
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        )
    )
