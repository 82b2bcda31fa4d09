"""The embedded server in places that are hard to live in."""

import tempfile
from pathlib import Path

import pytest

from bus.embedded import MAX_SOCKET_PATH, EmbeddedServer
from contracts.errors import Unavailable


def test_in_a_folder_with_a_long_path_other_processes_find_the_server(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with EmbeddedServer(folder) as server:
        assert len(str(server.socket)) <= MAX_SOCKET_PATH
        assert EmbeddedServer(folder).answers()
    assert not EmbeddedServer(folder).answers()
    assert not server.socket.parent.exists()


def test_a_socket_folder_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = EmbeddedServer(tmp_path / ("long" * 30))
    server.socket.parent.mkdir()
    server.socket.parent.chmod(0o777)
    with pytest.raises(Unavailable, match="others can write"):
        server.start()
    server.stop()
    assert not server.alive()
