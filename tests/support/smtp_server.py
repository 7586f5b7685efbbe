"""An SMTP server for tests: keeps what it takes as files and prints its port.

  smtp_server.py FOLDER [--port N] [--tls none|starttls|implicit] [--login USER:PASSWORD] [--slow SECONDS]
                 [--hang-quit] [--refuse-senders N]

With TLS it makes an authority of its own and leaves its certificate in FOLDER/ca.pem. What is addressed to nobody@… is
refused for good (550), to later@… twice for now (451) and then taken. --slow waits after a mail is kept, before it says so;
--hang-quit never answers a goodbye; --refuse-senders refuses the first N senders (550 5.7.1), as a relay does that is set up
wrongly for a while.
"""

import argparse
import asyncio
import os
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--tls", default="none")
parser.add_argument("--login")
parser.add_argument("--slow", type=float, default=0)
parser.add_argument("--hang-quit", action="store_true")
parser.add_argument("--refuse-senders", type=int, default=0)
options = parser.parse_args()


class Handler:
    def __init__(self):
        self.taken = 0
        self.refused = {}

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if options.refuse_senders > 0:
            options.refuse_senders -= 1
            return "550 5.7.1 Sender rejected: relay not allowed"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if options.hang_quit:
            await asyncio.sleep(3600)
        return "221 Bye"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user"
        if address.startswith("later@") and self.refused.get(address, 0) < 2:
            self.refused[address] = self.refused.get(address, 0) + 1
            return "451 4.2.1 Come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        name = os.path.join(options.folder, f"{time.time_ns()}-{self.taken}.eml")
        with open(name + ".part", "wb") as file:
            file.write(envelope.original_content)
        os.rename(name + ".part", name)
        await asyncio.sleep(options.slow)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    user, password = options.login.split(":")
    right = (
        isinstance(data, LoginPassword)
        and data.login == user.encode()
        and data.password == password.encode()
    )
    return AuthResult(success=right)


def context():
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(os.path.join(options.folder, "ca.pem"))
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(made)
    return made


async def main():
    arguments = dict(hostname="localhost", enable_SMTPUTF8=True)
    if options.login:
        arguments |= dict(
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=options.tls == "starttls",
        )
    if options.tls == "starttls":
        arguments |= dict(tls_context=context(), require_starttls=True)
    implicit = context() if options.tls == "implicit" else None
    loop, handler = asyncio.get_running_loop(), Handler()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **arguments), "127.0.0.1", options.port, ssl=implicit
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
