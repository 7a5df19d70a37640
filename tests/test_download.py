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
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from loopback import Loopback, refusing

from helpers.datasets import downloads, store

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
    "loop": "it redirects without end",
    "length=-5": "its Content-Length is -5",
    "length=many": "its Content-Length is no number",
}


@pytest.mark.parametrize("manner", BAD)
def test_a_bad_mirror_leads_to_the_next(server, tmp_path, capfd, manner):
    target = tmp_path / "digits.bin"
    urls = [server.url(manner, "digits.bin"), server.url("good", "digits.bin")]
    store.download("digits", urls, target, sha256=SHA256, timeout=0.2)
    assert list(dict.fromkeys(server.asked)) == [f"/{manner}/digits.bin", "/good/digits.bin"]
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
    with pytest.raises(store.DownloadFailed, match="more than 299,999 bytes"):
        store.download("digits", urls, tmp_path / "digits.bin", md5=MD5, size=len(BODY) - 1)
    with pytest.raises(store.DownloadFailed, match="300,000 bytes instead of 300,001"):
        store.download("digits", urls, tmp_path / "digits.bin", md5=MD5, size=len(BODY) + 1)
    assert names(tmp_path) == []
    store.download("digits", urls, tmp_path / "digits.bin", md5=MD5, size=len(BODY))


@pytest.mark.parametrize("manner", ["drip", "drip-head"])
def test_a_mirror_that_drips_is_left_for_the_next(server, tmp_path, capfd, monkeypatch, manner):
    """It never pauses for as long as the timeout, and would take more than an hour in all, or minutes."""
    monkeypatch.setattr(downloads, "GRACE", 0.2)
    urls = [server.url(manner, "digits.bin"), server.url("good", "digits.bin")]
    start = time.monotonic()
    target = store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256, timeout=1, least_rate=1_000_000)
    assert time.monotonic() - start > 1.2
    assert target.read_bytes() == BODY
    assert names(tmp_path) == ["digits.bin"]
    assert "mirror 1 of 2 failed" in (said := capfd.readouterr().err)
    assert "slower than 1,000,000 bytes a second" in said


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_mirror_without_end_is_left_at_the_size_for_the_next(server, tmp_path, capfd, monkeypatch, size):
    monkeypatch.setattr(downloads, "MOST", 10_000_000)
    urls = [server.url("endless", "digits.bin"), server.url("good", "digits.bin")]
    target = store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256, size=size)
    assert target.read_bytes() == BODY
    assert f"{urls[0]}: more than {size or 10_000_000:,} bytes" in capfd.readouterr().err


def test_a_mirror_without_end_is_left_before_it_fills_a_disk_that_has_the_room(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "open", small_disk, raising=False)
    urls = [server.url("endless", "digits.bin"), server.url("good", "digits.bin")]
    target = store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256, size=len(BODY))
    assert target.read_bytes() == BODY


class Disk:
    """A file on a disk that is full after 400,000 bytes and takes 100,000 at once."""

    def __init__(self, file):
        self.file, self.close, self.room = file, file.close, 400_000

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self.file.write(data[: min(self.room, 100_000)])
        self.room -= taken
        return taken


def small_disk(path, mode, **options):
    return Disk(open(path, mode, **options)) if mode == "wb" else open(path, mode, **options)


def test_a_body_without_end_that_fills_the_disk_is_the_mirrors_fault(server, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(downloads, "open", small_disk, raising=False)
    urls = [server.url("endless", "digits.bin"), server.url("good", "digits.bin")]
    target = store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256)
    assert target.read_bytes() == BODY
    assert f"{urls[0]}: it says no length, and the disk is full after 4" in capfd.readouterr().err


def test_a_disk_that_is_too_small_for_what_was_promised_is_no_fault_of_the_mirror(server, tmp_path, monkeypatch):
    server.files["digits.bin"] = 2 * BODY
    monkeypatch.setattr(downloads, "open", small_disk, raising=False)
    urls = [server.url("good", "digits.bin")] * 2
    with pytest.raises(store.CannotWrite, match="No space left on device. Make room, or set COURSE_DATA"):
        store.download("digits", urls, tmp_path / "digits.bin", sha256=SHA256)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_proxy_that_is_not_there_is_named_without_its_password(tmp_path, monkeypatch):
    proxy = refusing()
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, proxy.replace("//", "//me:secret@"))
    with pytest.raises(store.DownloadFailed) as caught:
        store.download("digits", ["http://mirror.invalid/digits.bin"], tmp_path / "digits.bin", md5=MD5)
    assert f"digits.bin: the proxy {proxy.removeprefix('http://')} cannot be used; see HTTP_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_an_answer_it_waits_thirty_seconds(tmp_path, monkeypatch):
    import requests

    def silent(url, timeout, **options):
        raise requests.ReadTimeout(f"Read timed out. (read timeout={timeout})")

    monkeypatch.setattr(requests, "get", silent)
    with pytest.raises(store.DownloadFailed, match=r"/digits.bin: no answer for 30 s"):
        store.download("digits", ["http://mirror.invalid/digits.bin"], tmp_path / "digits.bin", md5=MD5)


@pytest.mark.parametrize("name", ["digits.bin", "digits.bin.partial"])
def test_a_folder_of_the_files_name_is_named_before_anything_is_fetched(server, tmp_path, name):
    (tmp_path / name / "mine").mkdir(parents=True)
    with pytest.raises(store.CannotWrite) as caught:
        store.download("digits", [server.url("good", "digits.bin")], tmp_path / "digits.bin", md5=MD5)
    what = f"a folder is in the way, {tmp_path / name} (Is a directory). Move it away, or set COURSE_DATA"
    assert str(caught.value).startswith(f"digits cannot be written under {tmp_path}: {what}")
    assert server.asked == []
    assert names(tmp_path) == [name, f"{name}/mine"]


@pytest.mark.posix  # links, which need a privilege elsewhere
def test_a_link_of_the_half_files_name_is_not_written_through(server, tmp_path):
    (tmp_path / "mine").write_bytes(b"precious")
    (tmp_path / "digits.bin.partial").symlink_to(tmp_path / "mine")
    store.download("digits", [server.url("good", "digits.bin")], tmp_path / "digits.bin", md5=MD5)
    assert (tmp_path / "mine").read_bytes() == b"precious"
    assert names(tmp_path) == ["digits.bin", "mine"]


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(server, tmp_path):
    target, urls = tmp_path / "digits.bin", [server.url("good", "digits.bin")]
    target.write_bytes(BODY)
    assert store.download("digits", urls, target, sha256=SHA256) == target
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
    target = store.download("digits", [server.url("good", "digits.bin")], tmp_path / "digits.bin", unpacked=True)
    assert target.read_bytes() == BODY  # for an archive whose content is checked once it is unpacked


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


@pytest.mark.posix  # SIGINT to another process
def test_a_download_that_is_interrupted_leaves_nothing(server, tmp_path):
    target, partial = tmp_path / "digits.bin", tmp_path / "digits.bin.partial"
    command = [sys.executable, "-c", KILLED, server.url("slow", "digits.bin"), str(target), SHA256]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (partial.exists() and partial.stat().st_size):
        pass
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=10)[1]
    assert names(tmp_path) == []


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


def test_a_zip_that_knows_unix_modes(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.txt").write_bytes(b"1")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "set", "set")
        archive.write(tmp_path / "set" / "one.txt", "set/one.txt")
        assert [stat.S_IFMT(info.external_attr >> 16) for info in archive.infolist()] == [stat.S_IFDIR, stat.S_IFREG]
    store.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert names(tmp_path / "out") == ["set", "set/one.txt"]


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


@pytest.mark.parametrize("name", ["a.rar", "a.7z", "a", "a.tar.gz.part"])
def test_another_kind_of_file_is_refused_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"Rar!")
    with pytest.raises(store.BrokenData) as caught:
        store.unpack(tmp_path / name, tmp_path / "out")
    what = f"is no .gz, .zip, .tar or .tar.* file: unpack it by hand into {tmp_path / 'out'}"
    assert str(caught.value) == f"{tmp_path / name} {what}"
    assert names(tmp_path) == [name]


GOOD = {"one.txt": 5_000 * b"1", "set/": b"", "set/two.txt": 3_000 * b"2", "set/three.txt": b"3"}
CLASH = [{"a/b": b"1", "a": b"2"}, {"a": b"1", "a/b": b"2"}, {"a/": b"", "a": b"1", "a/b": b"2"}]


@pytest.mark.parametrize("archive", MAKERS)
@pytest.mark.parametrize("members", [*CLASH, {"first.txt": b"1", 300 * "n": b"2"}])
def test_members_that_cannot_be_files_are_refused_and_nothing_is_left(tmp_path, archive, members):
    made = MAKERS[archive](tmp_path / archive, members)
    with pytest.raises(store.BrokenData, match="cannot be unpacked"):
        store.unpack(made, tmp_path / "deep" / "out")
    assert names(tmp_path) == [archive]


def patched(path, at, old, new):
    """Replace `old` by `new`, `at` bytes behind each header of a zip's local files and central directory."""
    content = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", at), (b"PK\x01\x02", at + 2)):
        start = content.find(magic)
        while start >= 0:
            assert content[start + place : start + place + len(old)] == old
            content[start + place : start + place + len(new)] = new
            start = content.find(magic, start + 4)
    path.write_bytes(content)


EXOTIC = {  # offset in the local header, what stands there, what shall
    "encrypted": (6, b"\0\0", b"\1\0", '(its member "one.txt" is encrypted)'),
    "deflate64": (8, b"\0\0", b"\x09\0", "(That compression method is not supported)"),
    "method 99": (8, b"\0\0", b"\x63\0", "(That compression method is not supported)"),
    "a false size": (22, b"\x88\x13\0\0", b"\0\0\xff\xff", '("one.txt" has 5,000 bytes instead of 4,294,901,760)'),
}


@pytest.mark.parametrize("case", EXOTIC)
def test_a_zip_that_python_cannot_read_is_named_with_what_to_do(tmp_path, case):
    *where, what = EXOTIC[case]
    made = zipped(tmp_path / "a.zip", {"one.txt": 5_000 * b"1"})
    patched(made, *where)
    with pytest.raises(store.BrokenData) as caught:
        store.unpack(made, tmp_path / "out")
    remedy = f": delete it and run it again, or unpack it by hand into {tmp_path / 'out'}"
    assert str(caught.value) == f"{made} cannot be unpacked {what}{remedy}"
    assert names(tmp_path) == ["a.zip"]


ENDINGS = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def whole(path, mode):
    with tarfile.open(path, mode) as archive:
        for number in range(4):
            info = tarfile.TarInfo(f"set/{number}.bin")
            info.size = 20_000
            archive.addfile(info, io.BytesIO(BODY[number * 20_000 :][:20_000]))
    return path.read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_tar_that_is_cut_anywhere_is_refused_and_nothing_is_left(tmp_path, ending):
    made = tmp_path / f"a.{ending}"
    content = whole(made, ENDINGS[ending])
    store.unpack(made, tmp_path / "out")
    assert len(names(tmp_path / "out")) == 5
    cuts = [len(content) * share // 10 for share in range(1, 10)]
    if ending == "tar":
        member = 512 + 20_480  # header and padded content
        cuts += [member, 2 * member, 4 * member, 4 * member - 100]  # between members; before the end's zeros
    for cut in cuts:
        if ending == "tar" and cut > 4 * member:
            continue  # what is cut off is padding
        made.write_bytes(content[:cut])
        with pytest.raises(store.BrokenData, match="cannot be unpacked"):
            store.unpack(made, tmp_path / "new")
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("ending", [*ENDINGS, "zip"])
def test_a_flipped_bit_is_refused_and_nothing_is_left(tmp_path, ending):
    made = tmp_path / f"a.{ending}"
    if ending == "zip":
        zipped(made, {f"set/{number}.bin": BODY[number * 20_000 :][:20_000] for number in range(4)})
        content = made.read_bytes()
    else:
        content = whole(made, ENDINGS[ending])
    # of a plain tar the headers alone have a checksum
    places = [512 + 20_480 + 120, 3 * (512 + 20_480) + 5] if ending == "tar" else range(60, len(content) - 40, 7_919)
    refused = 0
    for place in places:
        made.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(store.BrokenData):
            store.unpack(made, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        refused += 1
    assert refused == len(places) >= 2


@pytest.mark.parametrize("name", ["A.ZIP", "a.TAR.GZ", "a.tgz", "A.Tar"])
def test_capitals_are_the_same_ending(tmp_path, name):
    if name == "A.ZIP":
        made = zipped(tmp_path / name, GOOD)
    else:
        made = tarred(tmp_path / ("a.tar" if name == "A.Tar" else "a.tar.gz"), GOOD).rename(tmp_path / name)
    store.unpack(made, tmp_path / "out")
    assert (tmp_path / "out/set/two.txt").read_bytes() == 3_000 * b"2"


@pytest.mark.parametrize("archive", MAKERS)
def test_what_is_there_already_is_never_replaced(tmp_path, archive):
    made = MAKERS[archive](tmp_path / archive, GOOD)
    store.unpack(made, tmp_path / "deep" / "out")
    (tmp_path / "deep/out/one.txt").unlink()
    (tmp_path / "deep/out/set/two.txt").write_bytes(b"mine")
    before = names(tmp_path)
    with pytest.raises(store.CannotWrite) as caught:
        store.unpack(made, tmp_path / "deep" / "out")
    taken = tmp_path / "deep" / "out" / "set"
    assert str(caught.value) == f"{made} is not unpacked: {taken} is there. Move it away and run it again"
    assert names(tmp_path) == before
    assert (taken / "two.txt").read_bytes() == b"mine"


def test_an_unpacking_that_is_stopped_in_its_last_step_leaves_nothing(tmp_path, monkeypatch):
    made = zipped(tmp_path / "a.zip", {"one.txt": b"1", "two.txt": b"2", "three.txt": b"3"})
    rename = Path.rename

    def stopped(path, target):
        if path.name == "two.txt":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        store.unpack(made, tmp_path / "out")
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.posix  # links, which need a privilege elsewhere
def test_an_archive_that_is_none_is_named(tmp_path):
    (tmp_path / "a.zip").mkdir()
    (tmp_path / "dead.zip").symlink_to("/mnt/gone.zip")
    for name, what in (
        ("a.zip", "is a folder, where a file should be"),
        ("b.zip", "is not there"),
        ("dead.zip", "is a link to /mnt/gone.zip, which leads nowhere"),
    ):
        with pytest.raises(store.BrokenData) as caught:
            store.unpack(tmp_path / name, tmp_path / "out")
        assert str(caught.value).startswith(f"{tmp_path / name} {what}: ")


def test_a_folder_that_is_a_file_is_named(tmp_path):
    made = zipped(tmp_path / "a.zip", GOOD)
    (tmp_path / "out").write_text("mine")
    for target in (tmp_path / "out", tmp_path / "out" / "deep"):
        with pytest.raises(store.CannotWrite, match=f"a file is in the way, {tmp_path / 'out'} "):
            store.unpack(made, target)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    made = zipped(tmp_path / "a.zip", GOOD)

    def full(*ignored):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(store.CannotWrite, match="a.zip cannot be written under .*out: No space left on device. Make"):
        store.unpack(made, tmp_path / "out")
    assert names(tmp_path) == ["a.zip"]
