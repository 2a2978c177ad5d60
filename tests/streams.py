"""Live streams that tests make: MPEG-TS and JPEG frames of known pictures, and servers that send them on loopback."""

from __future__ import annotations

import contextlib
import io
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.listening import listening

Pixels = NDArray[np.uint8]
Send = Callable[[Callable[[bytes], object]], None]
"""Writes a body, piece by piece, with the function that it is given; the connection ends when it returns."""

RATE = 25


def shade(level: int, height: int = 96, width: int = 128) -> Pixels:
    """A grey picture."""
    return np.full((height, width, 3), level, np.uint8)


def mpegts(images: Sequence[Pixels], *, first: int = 0, step: int = 1, codec: str = "mpeg2video") -> bytes:
    """Frames as an MPEG transport stream.

    Args:
        images: The frames, all of one size.
        first: Time of the first frame in 25ths of a second.
        step: 25ths of a second between frames.
        codec: FFmpeg's name of the encoder.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts", options={"mpegts_flags": "+resend_headers"}) as output:
        stream = output.add_stream(codec, rate=RATE)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 5
        stream.codec_context.max_b_frames = 0
        stream.codec_context.time_base = Fraction(1, RATE)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = first + index * step, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


def multipart_jpeg(image: Pixels) -> bytes:
    """One part of a `multipart/x-mixed-replace; boundary=frame` stream."""
    body = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(body), body)


def paced(pieces: Sequence[bytes], gap_s: float) -> Send:
    """Sends pieces with a pause after each."""

    def send(write: Callable[[bytes], object]) -> None:
        for piece in pieces:
            write(piece)
            time.sleep(gap_s)

    return send


def chunks(data: bytes, size: int = 188 * 7) -> list[bytes]:
    """Data in pieces as a network would bring it."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@contextlib.contextmanager
def http_stream(
    sends: Sequence[Send], *, kind: str = "video/mp2t", status: int = 200, length: int | None = None
) -> Iterator[str]:
    """A server on loopback whose n-th request is answered by the n-th of `sends`, later ones by 404.

    Yields:
        The address of the stream.
    """
    turns = iter(sends)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                send = next(turns, None)
            self.send_response(404 if send is None else status)
            self.send_header("Content-Type", kind)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if send is not None:
                with contextlib.suppress(OSError):
                    send(self.wfile.write)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    with listening(server):
        yield f"http://127.0.0.1:{server.server_address[1]}/live"


@contextlib.contextmanager
def rtsp_camera(data: bytes, gap_s: float) -> Iterator[str]:
    """A camera on loopback: RTSP 1.0 (RFC 2326) over TCP, sending MPEG-TS in RTP (RFC 2250) interleaved.

    Yields:
        The address of the stream.
    """

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self.rfile.readline().decode():
                method, url, _ = request.split()
                headers = {}
                while (line := self.rfile.readline().decode().strip()) != "":
                    name, value = line.split(":", 1)
                    headers[name.lower()] = value.strip()
                more, body = "", ""
                if method == "OPTIONS":
                    more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                elif method == "DESCRIBE":
                    body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
                    body += "m=video 0 RTP/AVP 33\r\na=control:track0\r\n"
                    more = f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                elif method == "SETUP":
                    more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
                answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{more}\r\n{body}"
                self.wfile.write(answer.encode())
                if method == "PLAY":
                    self._play()
                    return

        def _play(self) -> None:
            with contextlib.suppress(OSError):
                for number, piece in enumerate(chunks(data)):
                    stamp = round(number * gap_s * 90_000)
                    packet = b"\x80\x21" + number.to_bytes(2, "big") + stamp.to_bytes(4, "big") + b"\0\0\0\1" + piece
                    self.wfile.write(b"$\0" + len(packet).to_bytes(2, "big") + packet)
                    time.sleep(gap_s)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    server = Server(("127.0.0.1", 0), Handler)
    with listening(server):
        yield f"rtsp://user:secret@127.0.0.1:{server.server_address[1]}/camera"
