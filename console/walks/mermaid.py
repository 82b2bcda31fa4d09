"""A graph as a Mermaid flowchart: text that GitHub, GitLab and many editors draw."""

from .graph import Graph


def mermaid(graph: Graph) -> str:
    """The whole chart."""
    lines = [f'  n{number}["{"<br/>".join(map(_safe, box.lines))}"]' for number, box in enumerate(graph.boxes)]
    lines += [f"  n{start} -->{f'|{_safe(label)}|' if label else ''} n{end}" for start, end, label in graph.arrows]
    return "\n".join(["flowchart LR", *lines]) + "\n"


def _safe(text: str) -> str:
    """Names come from outside: none may end a label or begin something else."""
    return "".join(char if char.isalnum() or char in " .,:/_-()+" else f"#{ord(char)};" for char in text)
