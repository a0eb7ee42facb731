"""A mail server for a test: STARTTLS and a password are required; each mail becomes a line of JSON.

Arguments: the port (0 takes a free one), the file for the mails, the file for its certificate authority. Prints the port when it listens.
The authority stays the same if the file is there already. While there is a file `hold` beside that for the mails, the server takes mails and does
not say so. It refuses recipients called `refused` for good.
"""

import asyncio
import json
import pathlib
import ssl
import sys
import threading

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from email import message_from_bytes, policy


class Keeper:
    def __init__(self, path):
        self.path = path
        self.hold = pathlib.Path(path).parent / "hold"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        kept = {
            "to": envelope.rcpt_tos,
            "from": mail["from"],
            "subject": mail["subject"],
            "id": mail["message-id"],
            "auto": mail["auto-submitted"],
            "text": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")
        while self.hold.exists():
            await asyncio.sleep(0.05)
        return "250 taken"


def authenticator(server, session, envelope, mechanism, login):
    right = LoginPassword(b"angarium", b"a password for mails")
    return AuthResult(success=login == right, handled=False)


def main(port, mails, authority):
    secret = pathlib.Path(authority + ".key")
    if secret.exists():
        ca = trustme.CA.from_pem(pathlib.Path(authority).read_bytes(), secret.read_bytes())
    else:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(authority)
        ca.private_key_pem.write_to_path(str(secret))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    controller = Controller(
        Keeper(mails),
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        auth_require_tls=True,
        authenticator=authenticator,
    )
    controller.start()
    print(controller.server.sockets[0].getsockname()[1], flush=True)
    threading.Event().wait()


main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
