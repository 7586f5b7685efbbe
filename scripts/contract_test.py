"""Runs schemathesis against a fresh ayrene. Started by contract-test, which sees to the environment."""

import email
import email.policy
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CONFIGURATION = "schemathesis.toml"
SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
SEED = os.environ.get("SEED", "1")
EXAMPLES = os.environ.get("EXAMPLES", "40")
WORK_LIMIT = float(os.environ.get("WORK_LIMIT", "140"))
# As in the description's examples.
PASSWORD = "correct horse battery staple"
PHONE = "+4915112345678"
PATIENCE = 20
AVATAR, FILE = "/api/users/uploads/avatar", "/api/messages/send-file"
CLOSING = "DELETE /api/v1/user/me"
# One pixel.
PICTURE = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")
NEVER_SUCCESSFUL = {
    # The description itself is fetched, not tested; a socket is no request.
    ("GET", "/openapi.json"), ("GET", "/ws"),
    # Takes a token that Google signed.
    ("POST", "/api/v1/auth/google"),
}

# Throttles would turn most answers into 429; hashing at full cost would be most of the time.
SETTINGS = {
    "SERVER__BIND": "127.0.0.1:0",
    "RATE_LIMITS__ENABLED": "false",
    "AUTH__ARGON2_MEMORY_KIB": "64",
    "AUTH__ARGON2_ITERATIONS": "1",
    "AUTH__ACCOUNT_GUESSES__FREE": "1000000",
    "AUTH__IP_GUESSES__FREE": "1000000",
    "SHORTENER__VISITOR_GUESSES__FREE": "1000000",
    "SHORTENER__LINK_GUESSES__FREE": "1000000",
    "AUTH__MAIL_REQUESTS__FREE": "1000000",
    "AUTH__MAILBOX_MAILS__FREE": "1000000",
    "AUTH__PHONE_CODES__FREE": "1000000",
    "SHORTENER__CODE_MAILS__FREE": "1000000",
    "SHORTENER__LINK_MAILS__FREE": "1000000",
    "SHORTENER__MAILBOX_MAILS__FREE": "1000000",
    "LOG__LEVEL": "warn",
}


class Failed(Exception):
    """What to tell, instead of a traceback."""


class Server:
    def __init__(self, binary, directory):
        self.log = directory / "server.log"
        # Not the caller's settings: AYRENE__ variables of a shell must not change what is tested.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AYRENE__")}
        environment.update({f"AYRENE__{k}": v for k, v in SETTINGS.items()})
        environment["AYRENE__DATA_DIR"] = str(directory / "data")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([binary], env=environment, stdout=log, stderr=log)
        self.socket = directory / "data" / "redis" / "redis.sock"

    def wait_until_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"listens on (http://\S+)", self.log.read_text(errors="replace"))
            if found:
                return found[1]
            time.sleep(0.05)
        raise Failed("the server does not start")

    def stop(self):
        """SIGTERM, upon which it ends its datastore too; whatever is wrong with that is returned."""
        if self.process.poll() is not None:
            return f"the server ended by itself with status {self.process.returncode}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            # Its datastore is told by the kernel where that can be done (Linux).
            self.process.kill()
            self.process.wait()
            return "the server did not end on SIGTERM and was killed"
        if status != 0:
            return f"the server ended with status {status}"
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) == 0:
                return "the server ended but its datastore did not"
        return None


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, path, body=None, token=None):
        """GET, or POST with a body."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30) as answer:
                return json.load(answer)
        except OSError as error:
            raise Failed(f"{path}: {error}") from error

    def upload(self, path, part, token, **texts):
        """POST of a picture in a form."""
        boundary = "----contract"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name='
        parts = [f'{head}"{name}"\r\n\r\n{text}\r\n' for name, text in texts.items()]
        parts.append(f'{head}"{part}"; filename="a.gif"\r\n\r\n')
        body = "".join(parts).encode() + PICTURE + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Authorization": f"Bearer {token}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=30) as answer:
                return json.load(answer)
        except OSError as error:
            raise Failed(f"{path}: {error}") from error

    def send_form(self, path, fields):
        """POST of a form; the status."""
        request = urllib.request.Request(self.url + path, urllib.parse.urlencode(fields).encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except OSError as error:
            raise Failed(f"{path}: {error}") from error

    def register(self, name):
        account = {"email": f"{name}@example.com", "password": PASSWORD}
        return self.call("/api/v1/auth/register", account)["data"]

    def shorten(self, alias, token=None, **more):
        link = {"longUrl": f"https://example.com/{alias}", "customAlias": alias, **more}
        return self.call("/api/v1/url", link, token)["data"]["urlCode"]

    def post(self, title, token):
        post = {"title": title, "description": "made to be asked for", "content": title}
        return self.call("/api/posts", post, token)["post"]["_id"]

    def send(self, receiver, content, token):
        message = {"receiverId": receiver, "content": content}
        return self.call("/api/messages/send", message, token)["message"]["_id"]

    def comment(self, post, text, token):
        return self.call(f"/api/posts/{post}/comment", {"text": text}, token)["comment"]["_id"]

    def ask_access(self, code, email):
        return self.call(f"/api/v1/url/{code}/requests", {"email": email})["data"]["requestId"]

    def notifications(self, count, token):
        """The ids of that many, as soon as they are there."""
        def all_there():
            found = self.call("/api/v1/user/notifications?limit=200", token=token)["data"]["notifications"]
            return found if len(found) >= count else None

        return [one["notificationId"] for one in eventually(f"{count} notifications", all_there)]


def last_segment(path):
    return path.rpartition("/")[2]


def eventually(what, find):
    """What `find` finds, as soon as it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"not within {PATIENCE} s: {what}")


def mailed(data, receiver, path):
    """The query of the link to `path` that was mailed to `receiver`."""
    def find():
        for file in (data / "mail").glob("*.eml"):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            text = mail.get_body(("plain",)).get_content()
            found = re.search(rf"{path}\?(\S+)", text) if receiver in mail["To"] else None
            if found:
                return urllib.parse.parse_qsl(found[1])
        return None

    return eventually(f"a mail to {receiver} with a link to {path}", find)


def sent_code(data, receiver):
    """The code in the only SMS to `receiver`."""
    def find():
        texts = [file.read_text(encoding="utf-8") for file in (data / "sms").glob("*.txt")]
        found = [re.search(r"\b\d{6}\b", text) for text in texts if text.startswith(f"To: {receiver}\n")]
        return found[0][0] if found else None

    return eventually(f"a code for {receiver}", find)


def follow_mails(api, data):
    """Uses links that are mailed as a browser does: no generator guesses a token in a form. Returns what succeeded."""
    receiver = "forgetful@example.com"
    api.register("forgetful")
    api.send_form("/forgot-password", {"email": receiver})
    forms = {"/verify-email": [], "/reset-password": [("newPassword", PASSWORD)]}
    return {("POST", path, api.send_form(path, mailed(data, receiver, path) + more)) for path, more in forms.items()}


def proofs(api, data):
    """What was mailed and sent to be shown once, as one-value lists for the operations that take it."""
    receiver = "absent-minded@example.com"
    api.register("absent-minded")
    api.call("/api/v1/auth/reset-password", {"email": receiver})
    api.call("/api/v1/auth/otp", {"phone": PHONE})
    verify, reset = (dict(mailed(data, receiver, path)) for path in ("/verify-email", "/reset-password"))
    return {
        "VERIFY_IDS": [verify["tokenId"]],
        "VERIFY_TOKENS": [verify["token"]],
        "RESET_IDS": [reset["tokenId"]],
        "RESET_TOKENS": [reset["token"]],
        "CODE_PHONES": [PHONE],
        "PHONE_CODES": [sent_code(data, PHONE)],
    }


def prepare(api, data):
    """Makes accounts and links, so that requests get further than 404. Returns the owner's token, the runs, each with
    its options, and what the configuration needs to know."""
    locked = {"protectionMethod": "PASSWORD", "urlPassword": PASSWORD}
    owner, other = api.register("owner"), api.register("other")["accessToken"]
    mine = owner["accessToken"]
    codes = [
        # Several of one's own, because the run deletes some.
        *(api.shorten(f"mine-{number}", mine, isAnalyticsEnabled=True) for number in range(1, 31)),
        *(api.shorten(f"locked-{number}", mine, isAnalyticsEnabled=True, **locked) for number in range(1, 31)),
        api.shorten("other-open", other),
        lasting_lock := api.shorten("other-locked", other, **locked),
        api.shorten("guest-open"),
    ]
    # Links that no run changes, because they are in no other operation's list.
    asked = api.shorten("mine-asked", mine, protectionMethod="APPROVE")
    mailing = api.shorten("other-mailing", other, protectionMethod="OTP")
    # The run cannot delete somebody else's post, so its own comments stand on one of those.
    lasting = api.post("somebody else's", other)
    comments = [api.comment(lasting, f"comment {number}", mine) for number in range(40)]
    own = [api.post(f"mine {number}", mine) for number in range(16)]
    posts = [lasting] * 6 + own
    # The owner hears of each.
    for post in own:
        api.comment(post, "to be heard of", other)
    notifications = api.notifications(len(own), mine)
    # Somebody else, who is there to stay, and what was said to him; the run takes some of it back.
    bystander = api.register("bystander")["id"]
    messages = [api.send(bystander, f"message {number}", mine) for number in range(40)]
    # Log-ins go to an account of their own: more than `auth.max_sessions` would end the session of the run.
    api.register("fuzz")
    elsewhere = api.register("elsewhere")["accessToken"]
    [session] = api.call("/api/v1/user/sessions", token=elsewhere)["data"]["sessions"]
    here = api.call("/api/v1/auth/login", {"email": "elsewhere@example.com", "password": PASSWORD})
    known = {
        "CODES": codes,
        "POST_IDS": posts,
        "COMMENT_IDS": comments,
        # Enough for every run to find some that are not taken yet.
        "EMAILS": ["fuzz@example.com"] * 10 + [f"new-{number}@example.com" for number in range(30)],
        "USERNAMES": [f"new-{number}" for number in range(30)],
        "PASSWORDS": [PASSWORD, PASSWORD, "another fuzzed horse"],
        "SESSION_IDS": [session["sessionId"]],
        "LASTING_POSTS": [lasting],
        "LOCKED_CODES": [lasting_lock],
        "MAILING_CODES": [mailing],
        "ASKED_CODES": [asked],
        "REQUEST_IDS": [api.ask_access(asked, f"asker-{number}@example.com") for number in range(10)],
        # Deleted ones cannot be read.
        "READ_IDS": notifications[::2],
        "DELETE_IDS": notifications[1::2],
        "AVATARS": [last_segment(api.upload(AVATAR, "avatar", other)["avatar"])],
        "FILE_IDS": [last_segment(api.upload(FILE, "file", other, receiverId=owner["id"])["message"]["fileUrl"])],
        "USER_IDS": [bystander],
        "MESSAGE_IDS": messages,
        # A token serves once, so each run needs its own.
        "REFRESH_TOKENS": [api.register(f"refresher-{number}")["refreshToken"] for number in range(20)],
        **proofs(api, data),
    }

    def bearer(token):
        return "-H", f"Authorization: Bearer {token}"

    # What ends the session of its token has a run and a token of its own.
    runs = {
        "anonymous": ("--exclude-path-regex", "/logout/"),
        "signed in": (*bearer(mine), "--exclude-path-regex", "/logout", "--exclude-name", CLOSING),
        CLOSING: (*bearer(api.register("closer")["accessToken"]), "--include-name", CLOSING),
    }
    tokens = {
        "/api/auth/logout": api.register("leaver-1")["accessToken"],
        "/api/v1/auth/logout": api.register("leaver-2")["accessToken"],
        "/api/v1/auth/logout/{session_id}": here["data"]["accessToken"],
        "/api/v1/auth/refresh": api.register("stayer")["refreshToken"],
    }
    runs.update((path, (*bearer(token), "--include-path", path)) for path, token in tokens.items())
    return mine, runs, known


def fuzz(title, options, url, directory, limit, seen):
    """One run of schemathesis; whether it passed. Adds the answers to `seen`, as (method, path, status)."""
    print(f"--- {title}", flush=True)
    report = directory / "report.har"
    command = [
        SCHEMATHESIS, "--no-color", "--config-file", directory / CONFIGURATION,
        "run", f"{url}/openapi.json", "--seed", SEED, "--max-examples", EXAMPLES,
        "--report", "har", "--report-har-path", report, *options,
    ]
    # Its own session, so that a timeout ends all of it. Its work directory, because it leaves files behind.
    run = subprocess.Popen(
        command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )
    try:
        output, _ = run.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        output, _ = run.communicate()
        print(f"{output}\n{title}: out of time")
        return False
    except BaseException:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        raise
    cases = re.search(r"\d+ generated.*", output)
    if run.returncode != 0 or not cases:
        print(output)
        return False
    print(cases[0])
    for entry in json.loads(report.read_text(errors="replace"))["log"]["entries"]:
        request = entry["request"]
        path = urllib.parse.urlsplit(request["url"]).path
        seen.add((request["method"], path, entry["response"]["status"]))
    return True


def never_successful(description, seen):
    """Operations that only ever refused: what they answer when they do not has not been checked."""
    succeeded = {(method, path) for method, path, status in seen if status < 400}
    # A fixed path first: /{code} matches what has a route of its own.
    paths = sorted(description["paths"], key=lambda path: "{" in path)
    pattern = {path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in paths}
    done = {
        (method, next((path for path in paths if pattern[path].fullmatch(actual)), None))
        for method, actual in succeeded
    }
    every = {(method.upper(), path) for path, item in description["paths"].items() for method in item}
    return sorted(every - done - NEVER_SUCCESSFUL)


def test(binary, directory):
    """The names of what failed."""
    deadline = time.monotonic() + WORK_LIMIT
    # No generator draws a picture, or names its receiver in a form; prepare has uploaded two.
    failures, seen = [], {("POST", AVATAR, 200), ("POST", FILE, 201)}
    server = Server(binary, directory)
    try:
        api = Api(server.wait_until_ready())
        seen |= follow_mails(api, directory / "data")
        token, runs, known = prepare(api, directory / "data")
        template = string.Template((HERE / f"{CONFIGURATION}.in").read_text(encoding="utf-8"))
        # A list of strings in JSON is one in TOML.
        lists = {name: json.dumps(values) for name, values in known.items()}
        (directory / CONFIGURATION).write_text(template.substitute(lists), encoding="utf-8")
        for title, options in runs.items():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"no time left for {title} and what follows")
            if not fuzz(title, options, api.url, directory, left, seen):
                failures.append(title)
        if not failures:
            for method, path in never_successful(api.call("/openapi.json"), seen):
                print(f"no request of any run made {method} {path} succeed: give {CONFIGURATION}.in better values")
                failures.append(f"{method} {path}")
        # A token that died on the way would leave nothing but 401 to check.
        api.call("/api/v1/auth/me", token=token)
    except Failed as error:
        print(error)
        failures.append("stopped")
    finally:
        problem = server.stop()
    if problem:
        print(problem)
        failures.append("server")
    if failures:
        print(f"--- the end of the server's log\n{server.log.read_text(errors='replace')[-4000:]}")
    return failures


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    if not os.access(binary, os.X_OK):
        sys.exit(f"{binary} is not there; build it first (cargo build)")
    # `finally` must run on SIGTERM too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    # Below /tmp: macOS's own temporary directory is too long a path for the datastore's socket.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ayrene-", dir="/tmp"))
    try:
        failures = test(binary, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    seconds = time.monotonic() - started
    if failures:
        sys.exit(f"contract test FAILED ({', '.join(failures)}), seed {SEED}, {seconds:.0f} s")
    print(f"contract test passed, seed {SEED}, {seconds:.0f} s")


main()
