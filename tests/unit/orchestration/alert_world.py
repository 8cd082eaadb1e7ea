"""Servers of alerts on loopback: a webhook, and a mail server with or without TLS."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any


@dataclass
class Received:
    """What a server has got."""

    uri: str = ""
    port: int = 0
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """Lines of mail commands, those over TLS with `tls ` before."""


@contextmanager
def serving(server: TCPServer) -> Iterator[int]:
    """Run a server; yield its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def webhook(status: int = 200, location: str | None = None) -> Iterator[Received]:
    """Serve a webhook that answers with a status."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.paths.append(self.path)
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            received.paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with serving(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        received.uri, received.port = f"http://127.0.0.1:{port}/services/T0/B0/secret-part", port
        yield received


@contextmanager
def mail_server(certificate: Path | None = None) -> Iterator[Received]:
    """Serve mail [RFC 5321]; with a certificate, STARTTLS is offered."""
    received = Received()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            talk(self)

    def talk(handler: StreamRequestHandler) -> None:
        reader, connection, mark = handler.rfile, handler.connection, ""

        def say(line: str) -> None:
            connection.sendall(f"{line}\r\n".encode())

        say("220 here")
        while line := reader.readline().decode().strip():
            received.lines.append(f"{mark}{line}")
            command = line.split()[0].upper()
            if command == "EHLO":
                say(
                    "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN"
                    if certificate and not mark
                    else "250-here\r\n250 AUTH PLAIN"
                )
            elif command == "STARTTLS" and certificate:
                say("220 go on")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                connection, mark = context.wrap_socket(connection, server_side=True), "tls "
                reader = connection.makefile("rb")
            elif command == "AUTH":
                say("235 known" if base64.b64decode(line.split()[2]).endswith(b"\x00pass word") else "535 unknown")
            elif command == "DATA":
                say("354 go on")
                received.bodies.append(b"".join(iter(reader.readline, b".\r\n")))
                say("250 taken")
            elif command == "QUIT":
                say("221 bye")
                return
            else:
                say("250 good")

    with serving(ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        received.port = port
        yield received


def write_certificate(path: Path) -> Path:
    """Write a certificate of 127.0.0.1 with its key, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path
