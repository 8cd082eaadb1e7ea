"""Alerts reach the webhook, the mailbox and the log, and fail no work."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from feature_repo.utc import present_time
from orchestration.alerts import alert, send_again
from orchestration.unsent_alerts import MOST, Unsent, keep, waiting
from serving.alert_settings import AlertSettings, Mail, Secret
from serving.settings import Settings
from tests.unit.orchestration.alert_world import mail_server, serving, webhook, write_certificate


def of(home: Path, **alerts: object) -> Settings:
    return Settings(home=home, mlflow_uri="", alerts=AlertSettings(**alerts))  # type: ignore[arg-type]


def mail_to(port: int, **fields: object) -> Mail:
    return Mail(host="127.0.0.1", port=port, sender="gate@x.org", receivers=("a@x.org", "b@x.org"), **fields)  # type: ignore[arg-type]


def test_a_webhook_gets_the_text_as_slack_reads_it(tmp_path: Path) -> None:
    with webhook() as server:
        settings = of(tmp_path, webhook=Secret(text=server.uri))
        assert alert(settings, "shop:\n version 7 failed", "recall <!channel> & less") == ("webhook",)
    (body,) = server.bodies
    assert json.loads(body) == {"text": "*shop: version 7 failed*\nrecall &lt;!channel&gt; &amp; less"}


def test_the_address_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    with webhook() as server:
        file = tmp_path / "hook"
        settings = Settings.from_environment(
            {"GATEHOUSE_HOME": str(tmp_path), "GATEHOUSE_ALERT_WEBHOOK_FILE": str(file)}
        )
        assert alert(settings, "one", "before there is a file") == ()
        file.write_text(f"{server.uri}\n")
        assert alert(settings, "two", "after it") == ("webhook",)


def test_the_log_has_every_alert_and_no_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with webhook(status=404) as refusing:
        settings = of(tmp_path, webhook=Secret(text=refusing.uri))
        assert alert(settings, "shop failed", "recall fell") == ()
    assert "recall fell" in caplog.text and "404" in caplog.text
    assert "secret-part" not in caplog.text + repr(settings)


def test_what_a_channel_has_not_taken_is_sent_again_until_it_has(tmp_path: Path) -> None:
    settings = replace(of(tmp_path), alerts=AlertSettings(webhook=Secret(text="http://127.0.0.1:1/hook")))
    for number in range(2):
        assert alert(settings, f"shop: version {number} failed", "recall fell") == ()
    now = present_time()
    assert send_again(settings, now) == "0 of 2 alerts sent again"
    with webhook() as server:
        back = replace(settings, alerts=AlertSettings(webhook=Secret(text=server.uri)))
        assert send_again(back, now) == "2 of 2 alerts sent again"
        assert send_again(back, now) == "every alert was sent"
    texts = [json.loads(body)["text"] for body in server.bodies]
    assert texts == [f"*shop: version {number} failed*\nrecall fell" for number in range(2)]


def test_only_the_channel_that_has_not_taken_it_gets_it_again(tmp_path: Path) -> None:
    with mail_server() as mail, webhook() as server:
        settings = of(tmp_path, webhook=Secret(text="http://127.0.0.1:1/hook"), mail=mail_to(mail.port))
        assert alert(settings, "one", "text") == ("mail",)
        lines = len(mail.lines)
        both = of(tmp_path, webhook=Secret(text=server.uri), mail=mail_to(mail.port))
        assert send_again(both, present_time()) == "1 of 1 alerts sent again"
        assert (len(server.bodies), len(mail.lines)) == (1, lines)


def test_one_that_is_refused_for_good_holds_up_no_other_and_is_given_up_after_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(status=400) as refusing:
        settings = of(tmp_path, webhook=Secret(text=refusing.uri))
        for subject in ("first", "second"):
            alert(settings, subject, "text")
        assert send_again(settings, present_time()) == "0 of 2 alerts sent again"
        assert len(refusing.paths) == 4
        assert send_again(settings, present_time() + timedelta(hours=25)) == "every alert was sent"
    assert len(refusing.paths) == 4
    assert "first: given up, no channel took it within a day" in caplog.text


def test_a_channel_that_was_taken_out_of_the_settings_is_waited_for_no_longer(tmp_path: Path) -> None:
    alert(of(tmp_path, webhook=Secret(text="http://127.0.0.1:1/hook")), "one", "text")
    assert send_again(of(tmp_path), present_time()) == "1 of 1 alerts sent again"
    assert send_again(of(tmp_path), present_time()) == "every alert was sent"


def test_an_alert_that_cannot_be_kept_fails_no_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "unsent_alerts").write_text("a file")
    assert alert(of(tmp_path, webhook=Secret(text="http://127.0.0.1:1/hook")), "one", "text") == ()
    assert "one: not kept for later" in caplog.text


def test_more_than_a_hundred_are_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MOST + 1):
        keep(of(tmp_path), Unsent(f"no. {number}", "text", ("webhook",)))
    assert len(list(waiting(of(tmp_path), present_time()))) == MOST
    assert f"no. {MOST}: not kept for later" in caplog.text


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with webhook() as other, webhook(status=302, location=other.uri) as server:
        assert alert(of(tmp_path, webhook=Secret(text=server.uri)), "a", "b") == ()
    assert (len(server.paths), other.paths) == (1, [])


def test_mail_goes_to_all_receivers_with_the_reasons(tmp_path: Path) -> None:
    with mail_server() as server:
        assert alert(of(tmp_path, mail=mail_to(server.port)), "Läden: failed", "recall fell\n\nby 9 %") == ("mail",)
    message = message_from_bytes(server.bodies[0])
    assert "recall fell\n\nby 9 %" in message.get_payload().replace("\r\n", "\n")
    assert [line for line in server.lines if line.lower().startswith("rcpt")] == [
        "rcpt TO:<a@x.org>",
        "rcpt TO:<b@x.org>",
    ]


def test_where_the_server_offers_tls_all_that_is_said_is_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate) as server:
        mail = mail_to(server.port, user="gate", password=Secret(text="pass word"))
        assert alert(of(tmp_path, mail=mail), "a", "b") == ("mail",)
    clear = [line.split()[0].upper() for line in server.lines if not line.startswith("tls ")]
    assert clear == ["EHLO", "STARTTLS"]


def test_a_certificate_of_nobody_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with mail_server(write_certificate(tmp_path / "server.pem")) as server:
        assert alert(of(tmp_path, mail=mail_to(server.port)), "a", "b") == ()
    assert server.bodies == []


def test_a_password_is_not_sent_in_clear_text(tmp_path: Path) -> None:
    with mail_server() as server:
        mail = mail_to(server.port, user="gate", password=Secret(text="pass word"))
        assert alert(of(tmp_path, mail=mail), "a", "b") == ()
    assert not any(line.upper().startswith(("AUTH", "MAIL")) for line in server.lines)


def test_a_server_that_says_nothing_takes_its_time_and_no_more(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        hook = Secret(text=f"http://127.0.0.1:{port}/")
        started = time.monotonic()
        assert alert(of(tmp_path, webhook=hook, mail=mail_to(port), seconds=0.3), "a", "b") == ()
        assert time.monotonic() - started < 2


def test_a_server_that_never_ends_its_greeting_takes_no_more(tmp_path: Path) -> None:
    class Drip(StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b"220-and\r\n")

    ended = threading.Event()
    with serving(ThreadingTCPServer(("127.0.0.1", 0), Drip)) as port:
        started = time.monotonic()
        sent = alert(of(tmp_path, mail=mail_to(port), seconds=0.3), "a", "b")
        ended.set()
        assert sent == () and time.monotonic() - started < 2


def test_a_long_text_is_shortened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        alert(of(tmp_path), "s" * 1_000, "t" * 100_000)
    assert len(caplog.text) < 5_000


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("GATEHOUSE_ALERT_WEBHOOK", "file:///etc/secret", "https://hooks"),
        ("GATEHOUSE_ALERT_WEBHOOK", "https://x.org/a\nb-secret", "https://hooks"),
        ("GATEHOUSE_ALERT_WEBHOOK", "https://user:secret@x.org/a", "https://hooks"),
        ("GATEHOUSE_ALERT_WEBHOOK", "https://x.org:99999/secret", "https://hooks"),
        ("GATEHOUSE_ALERT_MAIL", "team@x.org", "wanted JSON"),
        ("GATEHOUSE_ALERT_MAIL", '{"host": "x", "from": "a@x", "to": []}', "to: wanted"),
        ("GATEHOUSE_ALERT_MAIL", '{"host": "x", "from": "a@x\\nBcc: b@x", "to": ["c@x"]}', "from: wanted"),
        ("GATEHOUSE_ALERT_MAIL", '{"host": "x", "from": "a@x", "to": ["c@x"], "port": 99999}', "port is 99999"),
        ("GATEHOUSE_ALERT_MAIL", '{"host": "x", "from": "a@x", "to": ["c@x"], "password": "p"}', "no field 'password'"),
    ],
)
def test_mistakes_are_named_and_secrets_are_not_shown(variable: str, value: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        AlertSettings.from_environment({variable: value})
    assert variable in str(error.value) and "secret" not in str(error.value)
