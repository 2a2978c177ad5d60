"""Bodies of requests as media: raw or multipart, in memory that has a file descriptor and no name."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from awarenet.errors import Cancelled, InvalidInput, Unavailable
from gateway.problems import BodyTooLarge

_BLOCK: Final = 1 << 20
_NAME: Final = 120
_FIELDS: Final = 8
_FIELD_BYTES: Final = 4 << 10


@dataclass(frozen=True)
class Upload:
    """One piece of media that was sent.

    Attributes:
        descriptor: Its file; `close` ends it.
        size: Bytes.
        sha256: 64 hexadecimal digits.
        name: What the sender called it, made harmless; never used as a path.
    """

    descriptor: int
    size: int
    sha256: str
    name: str

    def close(self) -> None:
        """Frees the memory or the space on disk."""
        os.close(self.descriptor)


class _Parser(MultiPartParser):
    """Keeps every part in memory, never on disk; the body's limit is the edge's."""

    spool_max_size = 1 << 40


@asynccontextmanager
async def receive(request: Request, *, items: int, item_bytes: int) -> AsyncIterator[list[Upload]]:
    """Reads what a request brings: a multipart form with files, or a body that is one file, whatever its type says.

    Args:
        request: The request.
        items: Most files.
        item_bytes: Most bytes of one.

    Raises:
        InvalidInput: There is no file, there are too many, or the form is malformed.
        BodyTooLarge: A file is too large.
        Cancelled: The caller left before the end.
    """
    uploads: list[Upload] = []
    try:
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async for upload in _form(request, items, item_bytes):
                uploads.append(upload)
        else:
            uploads.append(await _raw(request, item_bytes))
        yield uploads
    except ClientDisconnect as error:
        raise Cancelled("the caller left before the body was complete") from error
    finally:
        for upload in uploads:
            upload.close()


async def _raw(request: Request, item_bytes: int) -> Upload:
    sink = _Sink(item_bytes)
    try:
        async for block in request.stream():
            sink.write(block)
        if not sink.size:
            raise InvalidInput("the body is empty; send the bytes of a picture or clip, or a multipart form with one")
        return sink.done("media")
    except BaseException:
        sink.abandon()
        raise


async def _form(request: Request, items: int, item_bytes: int) -> AsyncIterator[Upload]:
    parser = _Parser(request.headers, request.stream(), max_files=items, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError) as error:
        reason = getattr(error, "message", str(error))
        raise InvalidInput(f"the multipart form cannot be read ({reason}); at most {items} files are taken") from error
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise InvalidInput("the multipart form has no file; send it as a part with a filename")
        for file in files:
            yield await _keep(file, item_bytes)
    finally:
        await form.close()


async def _keep(file: UploadFile, item_bytes: int) -> Upload:
    sink = _Sink(item_bytes)
    try:
        while block := await file.read(_BLOCK):
            sink.write(block)
            await asyncio.sleep(0)  # Others are served between blocks.
        return sink.done(_harmless(file.filename or ""))
    except BaseException:
        sink.abandon()
        raise


class _Sink:
    """Memory that is being filled."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        self._descriptor = os.memfd_create("upload", os.MFD_CLOEXEC)

    def write(self, block: bytes) -> None:
        self.size += len(block)
        if self.size > self._limit:
            raise BodyTooLarge(f"a file has more than the {self._limit:,} bytes that are taken here; make it smaller")
        self._digest.update(block)
        try:
            while block:
                block = block[os.write(self._descriptor, block) :]
        except OSError as error:
            raise Unavailable(f"there is no room for a file ({error.strerror}); try again later") from error

    def done(self, name: str) -> Upload:
        return Upload(self._descriptor, self.size, self._digest.hexdigest(), name)

    def abandon(self) -> None:
        os.close(self._descriptor)


def _harmless(name: str) -> str:
    """The last part of a file name, without anything that a terminal, log or file system would act on."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    printable = "".join(letter for letter in last if letter.isprintable()).strip(". ")
    return printable[:_NAME] or "media"
