"""Downloads the picture files of URL lists. The store keeps each download by URL, and it is never fetched
again; to refetch it, delete its entry there.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import unquote, urlsplit

from PIL import Image

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.text_file import MIB, URLS, TextError, bounded_text
from pipeline.pictures.connections import DownloadConnections, DownloadError, HostAndPort, hosts
from pipeline.pictures.formats import FORMATS, HEADER_BYTES, SUFFIX_OF_FORMAT, plugin_format
from pipeline.printable import printable, without_passwords
from pipeline.progress import progress
from pipeline.schemas import CollectConfig
from pipeline.store.items import Items, key

CONNECTIONS = 4
DOWNLOADED_BYTES = 1 << 18
DOWNLOAD_POLL_S = 0.1


@dataclass(frozen=True)
class Fetched:
    """One URL's files by their new names, or the reason why there are none; `url` has no password."""

    url: str
    files: Mapping[str, Path] = field(default_factory=dict)
    error: str = ""


def read_list(path: Path) -> list[str]:
    """URLs of a list, one per line; blank lines and `#` comments are skipped. One user error lists all
    invalid and repeated URLs.
    """
    try:
        lines = [line.strip() for line in bounded_text(path, URLS).splitlines()]
    except TextError as error:
        raise UserError(f"{path} {error}; a .txt in collect.source is a list of URLs") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    problems, seen = [], dict[str, int]()
    for number, url in numbered:
        if not re.match(r"https?://[^/\s]+\S*$", url):
            shown = without_passwords(url)[:80]
            problems.append(
                f"{path}: line {number} {shown!r} is not an http or https URL; correct or delete it"
            )
        if seen.setdefault(url, number) != number:
            problems.append(f"{path}: line {number} repeats line {seen[url]}; delete one of them")
    if problems:
        raise UserError(*problems)
    return [url for _, url in numbered]


def fetch(urls: Sequence[str], config: CollectConfig) -> Iterator[Fetched]:
    """The files of each URL, in order, fetched or kept. Names contain a part of the URL's hash, so that
    `1.jpg` of two URLs do not clash.
    """
    named = hosts(urls)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        fetched = pool.map(partial(_fetch, config=config, named=named), urls)
        yield from progress(fetched, "download", len(urls))


def _fetch(url: str, config: CollectConfig, named: Collection[HostAndPort]) -> Fetched:
    shown, tag = without_passwords(url), sha256_of_bytes(_without_user(url).encode())[:8]
    try:
        if config.downloader == "direct":
            file = _direct(url, config, named)
            return Fetched(shown, {f"{_stem(url)}-{tag}{picture_suffix(file)}": file})
        folder = _gallery_dl(url, config)
    except DownloadError as error:
        return Fetched(shown, error=printable(str(error)))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Fetched(shown, {f"{tag}/{file.relative_to(folder).as_posix()}": file for file in files})


def _without_user(url: str) -> str:
    """The URL without user and password, so that nothing kept depends on a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _stem(url: str) -> str:
    """The last part of the URL's path, fit for a file name."""
    stem = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-")[:40] or "picture"


def picture_suffix(path: Path) -> str | None:
    """The suffix by the file's content; None if it is not a picture."""
    with path.open("rb") as file:
        if name := plugin_format(file.read(HEADER_BYTES)):
            return SUFFIX_OF_FORMAT[name]
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return SUFFIX_OF_FORMAT[str(picture.format)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _direct(url: str, config: CollectConfig, named: Collection[HostAndPort]) -> Path:
    """One GET: retries when the server is busy, stops at the limits of time and bytes."""
    import requests

    items, item_key = Items("downloads"), key(url=_without_user(url))
    if items.has(item_key):
        return items.path(item_key)
    line = DownloadConnections(named, config.download_total_s)
    try:
        with (
            line.session(config.download_retries) as session,
            session.get(url, stream=True, timeout=config.download_timeout_s) as answer,
        ):
            answer.raise_for_status()
            with items.new(item_key) as part:
                _save(answer.iter_content(DOWNLOADED_BYTES), part, config.download_limit_mib)
                line.check_time()
                if picture_suffix(part) is None:
                    kind = answer.headers.get("content-type", "of no stated type")
                    raise DownloadError(f"the answer is no picture ({kind})")
    except requests.RequestException as error:
        raise DownloadError(f"could not be fetched ({_plain(error)})") from None
    return items.path(item_key)


def _save(chunks: Iterator[bytes], part: Path, limit_mib: int) -> None:
    total = 0
    with part.open("wb") as file:
        for chunk in chunks:
            total += len(chunk)
            if total > limit_mib * MIB:
                raise DownloadError(f"more than collect.download_limit_mib {limit_mib}")
            file.write(chunk)


def _plain(error: Exception) -> str:
    """The cause without memory addresses, which differ between runs."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(error))


def _gallery_dl(url: str, config: CollectConfig) -> Path:
    """A folder of the URL's files, downloaded by the gallery-dl program with the user's settings and logins;
    its metadata files become captions.
    """
    items, item_key = Items("gallery-dl"), key(url=_without_user(url))
    if not items.has(item_key):
        program = shutil.which("gallery-dl")
        if program is None:
            raise UserError(
                "collect.downloader is gallery-dl, which is not installed;"
                " `pip install gallery-dl`, or set collect.downloader: direct"
            )
        with items.new(item_key, folder=True) as part:
            command = [program, "--write-metadata", "--directory", str(part)]
            command += ["--retries", str(config.download_retries)]
            command += ["--http-timeout", str(config.download_timeout_s)]
            command += ["--filesize-max", f"{config.download_limit_mib}M", url]
            code, output = _run(command, part, config.download_total_s)
            if code or not any(part.iterdir()):
                last = (output.strip().splitlines() or ["no files"])[-1]
                raise DownloadError(f"gallery-dl ended with code {code}: {last}")
    return items.path(item_key)


def _run(command: Sequence[str], folder: Path, limit_s: int) -> tuple[int, str]:
    """Exit code and stderr of a program that fills a folder. Kills it after `limit_s` without a new file."""
    with TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            files, since = 0, time.monotonic()
            while process.poll() is None:
                if (now := sum(path.suffix != ".part" for path in folder.rglob("*"))) != files:
                    files, since = now, time.monotonic()
                if time.monotonic() - since > limit_s:
                    raise DownloadError(f"no file came for longer than collect.download_total_s {limit_s}")
                time.sleep(DOWNLOAD_POLL_S)
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return process.returncode, errors.read().decode(errors="replace")
