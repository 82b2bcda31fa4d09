"""tocsin completion."""

import pytest

from console.cli import main


@pytest.mark.parametrize(
    ("shell", "line"),
    [("bash", "complete -o nosort -F _tocsin_completion tocsin"), ("zsh", "#compdef tocsin"), ("fish", "complete ")],
)
def test_the_script_of_a_shell_is_printed(capsys: pytest.CaptureFixture[str], shell: str, line: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["completion", shell])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert line in out
    assert f"_TOCSIN_COMPLETE={shell}_complete" in out


def test_an_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["completion", "tcsh"])
    assert end.value.code == 2
    assert "bash" in capsys.readouterr().err
