"""Lists of URLs -> picture files. What was fetched once stands in the store of kept results, by URL, and is
never fetched again; delete the entry there to have it anew.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

from pipeline.config.schemas import Collect
from pipeline.errors import UserError
from pipeline.files.atomic import new_file, new_folder
from pipeline.files.hashing import sha256_of_bytes
from pipeline.items import Items, key
from pipeline.pictures.formats import FORMATS, HEADER_BYTES, SUFFIX_OF_FORMAT, plugin_format
from pipeline.progress import progress

CONNECTIONS = 4
CHUNK_BYTES = 1 << 18
TRY_AGAIN = (429, 500, 502, 503, 504)
MIB = 1 << 20


class DownloadError(Exception):
    """Why a URL gives no picture; raised so that nothing half-fetched is kept."""


@dataclass(frozen=True)
class Fetched:
    """One URL's files, by the names that they shall have, or why there are none."""

    url: str
    files: Mapping[str, Path] = field(default_factory=dict)
    error: str = ""


def read_list(path: Path) -> list[str]:
    """URLs of a list, one a line; blank lines and `#` comments are left out. Lines that are no URL, and URLs
    that stand twice, are user errors, all at once.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; a .txt in collect.source is a list of URLs") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    problems, seen = [], dict[str, int]()
    for number, url in numbered:
        if not re.match(r"https?://[^/\s]+\S*$", url):
            problems.append(f"{path}: line {number} {url[:80]!r} is no http or https URL; mend or delete it")
        if seen.setdefault(url, number) != number:
            problems.append(f"{path}: line {number} repeats line {seen[url]}; delete one of them")
    if problems:
        raise UserError(*problems)
    return [url for _, url in numbered]


def fetch(urls: Sequence[str], config: Collect) -> Iterator[Fetched]:
    """The files of each URL, in order, fetched or kept. Names hold a piece of the URL's hash, so that no two
    URLs' `1.jpg` meet.
    """
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        yield from progress(pool.map(partial(_fetch, config=config), urls), "download", len(urls))


def _fetch(url: str, config: Collect) -> Fetched:
    tag = sha256_of_bytes(url.encode())[:8]
    try:
        if config.downloader == "direct":
            file = _direct(url, config)
            return Fetched(url, {f"{_stem(url)}-{tag}{picture_suffix(file)}": file})
        folder = _gallery_dl(url, config)
    except DownloadError as error:
        return Fetched(url, error=str(error))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Fetched(url, {f"{tag}/{file.relative_to(folder).as_posix()}": file for file in files})


def _stem(url: str) -> str:
    """The last part of the URL's path, fit for a file name."""
    stem = unquote(urlsplit(url).path).rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"[^\w-]+", "-", stem).strip("-")[:40] or "picture"


def picture_suffix(path: Path) -> str | None:
    """By the file's first bytes; None where they are no picture's."""
    with path.open("rb") as file:
        if name := plugin_format(file.read(HEADER_BYTES)):
            return SUFFIX_OF_FORMAT[name]
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return SUFFIX_OF_FORMAT[str(picture.format)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _direct(url: str, config: Collect) -> Path:
    """One GET: retried after a pause where the server is busy, cut off at the limits of time and bytes."""
    import requests
    from urllib3.util import Retry

    kept = Items("downloads").path(key(url=url))
    if kept.exists():
        return kept
    retry = Retry(config.download_retries, backoff_factor=0.5, status_forcelist=TRY_AGAIN)
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
            with session.get(url, stream=True, timeout=config.download_timeout_s) as answer:
                answer.raise_for_status()
                with new_file(kept) as part:
                    _save(answer.iter_content(CHUNK_BYTES), part, config.download_limit_mib)
                    if picture_suffix(part) is None:
                        kind = answer.headers.get("content-type", "of no stated type")
                        raise DownloadError(f"the answer is no picture ({kind})")
    except requests.RequestException as error:
        raise DownloadError(f"could not be fetched ({_plain(error)})") from None
    return kept


def _save(chunks: Iterator[bytes], part: Path, limit_mib: int) -> None:
    total = 0
    with part.open("wb") as file:
        for chunk in chunks:
            total += len(chunk)
            if total > limit_mib * MIB:
                raise DownloadError(f"more than collect.download_limit_mib {limit_mib}")
            file.write(chunk)


def _plain(error: Exception) -> str:
    """The cause without addresses in memory, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(error))


def _gallery_dl(url: str, config: Collect) -> Path:
    """A folder of what the URL leads to, by gallery-dl as a program of its own, with the user's own settings
    and logins; its metadata files come along as captions.
    """
    folder = Items("gallery-dl").path(key(url=url))
    if not folder.exists():
        program = shutil.which("gallery-dl")
        if program is None:
            raise UserError(
                "collect.downloader is gallery-dl, which is not installed;"
                " `pip install gallery-dl`, or set collect.downloader: direct"
            )
        with new_folder(folder) as part:
            command = [program, "--write-metadata", "--directory", str(part)]
            command += ["--retries", str(config.download_retries)]
            command += ["--http-timeout", str(config.download_timeout_s)]
            command += ["--filesize-max", f"{config.download_limit_mib}M", url]
            ended = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
            if ended.returncode or not any(part.iterdir()):
                last = (ended.stderr.strip().splitlines() or ["no files"])[-1]
                raise DownloadError(f"gallery-dl ended with code {ended.returncode}: {last}")
    return folder
