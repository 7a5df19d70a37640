"""Downloads from good and bad mirrors, and archives that try to get out of their folder."""

import errno
import gzip
import hashlib
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from loopback import Loopback, refusing

from helpers.datasets import store

BODY = np.random.default_rng(0).bytes(300_000)  # more than one chunk of the download
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    loopback = Loopback({"digits.bin": BODY})
    yield loopback
    loopback.close()


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("manner", ["good", "unsized"])
@pytest.mark.parametrize("digest", [{"sha256": SHA256}, {"md5": MD5}, {"sha256": SHA256.upper(), "md5": MD5}])
def test_a_good_mirror(server, tmp_path, capfd, manner, digest):
    target = tmp_path / "new" / "digits.bin"
    assert store.download("digits", [server.url(manner, "digits.bin")], target, **digest) == target
    assert target.read_bytes() == BODY
    assert names(tmp_path) == ["new", "new/digits.bin"]
    assert "digits.bin: 100%" in capfd.readouterr().err or manner == "unsized"


BAD = {
    "truncated": "the transfer broke off",
    "unsized-truncated": "wrong content (SHA256 ",
    "wrong": "wrong content (SHA256 ",
    "slow": "no answer for 0.2 s",
    "404": "404 Not Found",
    "503": "503 Service Unavailable",
}


@pytest.mark.parametrize("manner", BAD)
def test_a_bad_mirror_leads_to_the_next(server, tmp_path, capfd, manner):
    target = tmp_path / "digits.bin"
    urls = [server.url(manner, "digits.bin"), server.url("good", "digits.bin")]
    store.download("digits", urls, target, sha256=SHA256, timeout=0.2)
    assert server.asked == [f"/{manner}/digits.bin", "/good/digits.bin"]
    assert target.read_bytes() == BODY
    assert names(tmp_path) == ["digits.bin"]
    said = [line for line in capfd.readouterr().err.splitlines() if "mirror" in line]
    assert len(said) == 1
    assert f"digits: mirror 1 of 2 failed, {urls[0]}: {BAD[manner]}" in said[0]


def test_a_mirror_that_refuses_leads_to_the_next(server, tmp_path, capfd):
    urls = [f"{refusing()}/digits.bin", server.url("good", "digits.bin")]
    target = store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256)
    assert target.read_bytes() == BODY
    assert f"{urls[0]}: connection refused" in capfd.readouterr().err


def test_without_a_network_every_mirror_cannot_be_reached(tmp_path, monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "mirror.invalid")
    monkeypatch.setenv("no_proxy", "mirror.invalid")
    with pytest.raises(store.DownloadFailed, match="http://mirror.invalid/digits.bin: cannot be reached"):
        store.download("digits", ["http://mirror.invalid/digits.bin"], tmp_path / "digits.bin", md5=MD5)


def test_when_all_fail_the_error_names_each_mirror_its_reason_and_the_remedy(server, tmp_path):
    target = tmp_path / "digits.bin"
    urls = [server.url(manner, "digits.bin") for manner in BAD] + [f"{refusing()}/digits.bin"]
    with pytest.raises(store.DownloadFailed) as caught:
        store.download("digits", urls, target, sha256=SHA256, timeout=0.2)
    lines = str(caught.value).splitlines()
    for url, reason, line in zip(urls, [*BAD.values(), "connection refused"], lines[1:], strict=False):
        assert f"{url}: {reason}" in line
    assert lines[-1].endswith(f"run it again, or put the file there by hand: {target}")
    assert len(lines) == len(urls) + 2
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused(server, tmp_path):
    urls = [server.url("good", "digits.bin")]
    with pytest.raises(store.DownloadFailed, match="300,000 bytes instead of 299,999"):
        store.download("digits", urls, tmp_path / "digits.bin", md5=MD5, size=len(BODY) - 1)
    assert names(tmp_path) == []


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(server, tmp_path):
    target, urls = tmp_path / "digits.bin", [server.url("good", "digits.bin")]
    target.write_bytes(BODY)
    store.download("digits", urls, target, sha256=SHA256)
    assert server.asked == []
    target.write_bytes(BODY[:-1])
    store.download("digits", urls, target, sha256=SHA256)
    assert server.asked == ["/good/digits.bin"]
    assert target.read_bytes() == BODY


def test_a_wrong_file_stays_while_no_mirror_has_a_right_one(server, tmp_path):
    target = tmp_path / "digits.bin"
    target.write_bytes(b"by hand")
    with pytest.raises(store.DownloadFailed):
        store.download("digits", [server.url("wrong", "digits.bin")], target, sha256=SHA256)
    assert target.read_bytes() == b"by hand"


def test_without_a_checksum_nothing_is_fetched(server, tmp_path):
    with pytest.raises(ValueError, match="needs its SHA-256 or its MD5"):
        store.download("digits", [server.url("good", "digits.bin")], tmp_path / "digits.bin")
    assert server.asked == []


KILLED = """
import sys
from pathlib import Path
from helpers.datasets import store
store.download("digits", [sys.argv[1]], Path(sys.argv[2]), sha256=sys.argv[3])
"""


@pytest.mark.posix
def test_a_download_killed_midway_leaves_no_half_file_and_starts_again(server, tmp_path):
    target = tmp_path / "digits.bin"
    partial = tmp_path / "digits.bin.partial"
    command = [sys.executable, "-c", KILLED, server.url("slow", "digits.bin"), str(target), SHA256]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (partial.exists() and partial.stat().st_size):
        pass
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert names(tmp_path) == ["digits.bin.partial"]
    store.download("digits", [server.url("good", "digits.bin")], target, sha256=SHA256)
    assert names(tmp_path) == ["digits.bin"]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_refuses_is_no_fault_of_the_mirror(server, tmp_path, monkeypatch, code):
    def full(url, output_file, pooch):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", lambda self, *call: full(*call))
    urls = [server.url("good", "digits.bin")] * 2
    with pytest.raises(store.CannotWrite) as caught:
        store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256)
    message = f"digits cannot be written under {tmp_path}: {os.strerror(code)}. Make room, or set COURSE_DATA"
    assert str(caught.value).startswith(message)
    assert names(tmp_path) == []


# --- archives


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # the constructor would tidy it; a name that ends in / is a folder
            if isinstance(content, str):
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return path


def tarred(path, members):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


MAKERS = {"a.zip": zipped, "a.tar": tarred, "a.tar.gz": tarred, "a.v1.tar.gz": tarred}


@pytest.mark.parametrize("archive", MAKERS)
def test_a_good_archive(tmp_path, archive):
    members = {"set/": b"", "set/one.txt": b"1", "set/deep/two..txt": b"2", "read.me": b""}
    made = MAKERS[archive](tmp_path / archive, members)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_bytes(b"kept")
    store.unpack(made, tmp_path / "out")
    found = names(tmp_path / "out")
    assert found == ["mine.txt", "read.me", "set", "set/deep", "set/deep/two..txt", "set/one.txt"]
    assert (tmp_path / "out/set/deep/two..txt").read_bytes() == b"2"


def test_one_packed_file(tmp_path):
    (tmp_path / "digits.bin.gz").write_bytes(gzip.compress(BODY))
    store.unpack(tmp_path / "digits.bin.gz", tmp_path / "out")
    assert names(tmp_path / "out") == ["digits.bin"]
    assert (tmp_path / "out/digits.bin").read_bytes() == BODY


OUTSIDE = ["../out.txt", "set/../../out.txt", "/tmp/out.txt", "set/.."]
OUTSIDE += ["C:\\out.txt", "C:out.txt", "..\\out.txt", "\\out.txt"]  # on Windows


@pytest.mark.parametrize("member", OUTSIDE)
@pytest.mark.parametrize("archive", MAKERS)
def test_a_member_outside_the_folder_is_refused_and_nothing_is_left(tmp_path, archive, member):
    made = MAKERS[archive](tmp_path / archive, {"first.txt": b"1", member: b"out", "last.txt": b"3"})
    with pytest.raises(store.BrokenData) as caught:
        store.unpack(made, tmp_path / "out")
    assert str(made) in str(caught.value)
    assert f'member "{member}" lies outside the folder' in str(caught.value)
    assert names(tmp_path) == [archive]


@pytest.mark.parametrize("archive", MAKERS)
@pytest.mark.parametrize("link", ["/etc", "..", "first.txt"])
def test_a_link_is_refused_and_nothing_is_left(tmp_path, archive, link):
    made = MAKERS[archive](tmp_path / archive, {"first.txt": b"1", "link": link, "link/out.txt": b"out"})
    with pytest.raises(store.BrokenData, match='its member "link" is a link or a device'):
        store.unpack(made, tmp_path / "out")
    assert names(tmp_path) == [archive]


@pytest.mark.parametrize("archive", [*MAKERS, "a.gz"])
@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_archive_is_named_and_nothing_is_left(tmp_path, archive, damage):
    made = tmp_path / archive
    if archive == "a.gz":
        made.write_bytes(gzip.compress(BODY))
    else:
        MAKERS[archive](made, {"one.bin": BODY})
    made.write_bytes(made.read_bytes()[:100_000] if damage == "cut" else b"<html>Not found</html>" * 100)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_bytes(b"kept")
    with pytest.raises(store.BrokenData, match="cannot be unpacked") as caught:
        store.unpack(made, tmp_path / "out")
    assert str(made) in str(caught.value)
    assert names(tmp_path) == sorted([archive, "out", "out/mine.txt"])


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_hard_link_or_a_device_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("odd")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(store.BrokenData, match='its member "odd" is a link or a device'):
        store.unpack(tmp_path / "a.tar", tmp_path / "out")
    assert names(tmp_path) == ["a.tar"]


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    with pytest.raises(ValueError, match=r"a\.rar is no \.gz, \.zip, \.tar or \.tar\.\* file"):
        store.unpack(tmp_path / "a.rar", tmp_path / "out")
    assert names(tmp_path) == ["a.rar"]
