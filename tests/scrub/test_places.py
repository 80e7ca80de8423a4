"""Where a secret stands tells that it is one: names, URLs, commands, SQL, markup, sentences."""

from __future__ import annotations

import pytest

from surefoot.scrub import scrub_text

SECRET, PASSWORD, COOKIE = "[secret]", "[password]", "[cookie]"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        # names
        ('password = "hunter2"', f'password = "{SECRET}"'),
        ("password=ab,cd user=x", f"password={SECRET} user=x"),
        ("a=1,password=x1,page=2", f"a=1,password={SECRET},page=2"),
        ("(password=hunter2)", f"(password={SECRET})"),
        ("[password=hunter2]", f"[password={SECRET}]"),
        ("password=1(b)c", f"password={SECRET}"),
        ("password=hunter2.", f"password={SECRET}."),
        ("password=$tr0ng!pass", f"password={SECRET}"),
        ("password='it''", f"password='{SECRET}''"),
        ("password='never closed\nnext", f"password='{SECRET}\nnext"),
        ("password='never closed", f"password='{SECRET}"),
        (r'{"password": "a\"b", "n": 1}', f'{{"password": "{SECRET}", "n": 1}}'),
        (r'{\"password\": \"a\\\"b\", \"n\": 1}', rf'{{\"password\": \"{SECRET}\", \"n\": 1}}'),
        (r'password="ab1\\" x', f'password="{SECRET}" x'),
        ("password=a1" + ")" * 16, f"password={SECRET}" + ")" * 16),
        (r"\npassword=hunter2\nnext", rf"\npassword={SECRET}\nnext"),
        ("API key: abcd1234efgh", f"API key: {SECRET}"),
        ("Incorrect API key provided: abcd1234.", f"Incorrect API key provided: {SECRET}."),
        ('password: str = "hunter2"', f'password: str = "{SECRET}"'),
        ('config["api_key"] = "hunter2"', f'config["api_key"] = "{SECRET}"'),
        ('"api_keys": ["a1b2", "c3d4"]', f'"api_keys": ["{SECRET}", "{SECRET}"]'),
        ('"api_keys": ["a1b2" "c3"', f'"api_keys": ["{SECRET}" "c3"'),
        ("api_keys=[abc123]", f"api_keys={SECRET}"),
        ('"token": "Bearer abc123"', f'"token": "Bearer {SECRET}"'),
        ("token=Bearer abc123", f"token=Bearer {SECRET}"),
        ("cb%3Ftoken%3Dabc123def%26x%3D1", f"cb%3Ftoken%3D{SECRET}%26x%3D1"),
        ("a%26token%3Dabc123def", f"a%26token%3D{SECRET}"),
        ("a?key=abcdefghij1234567890&x", f"a?key={SECRET}&x"),
        ("session_id=PLuo3zF4vMNTx_-2x", f"session_id={SECRET}"),
        ("dsn=abcdef123", f"dsn={SECRET}"),
        ("DB_DSN=postgres://u:pw@h/d", f"DB_DSN=postgres://u:{PASSWORD}@h/d"),
        ("Stripe-Signature: t=17,v1=ab12cd", f"Stripe-Signature: {SECRET}"),
        ("signature=§a1b2", f"signature={SECRET}"),
        ("password=" + "a1" * 900, f"password={SECRET}"),
        ("password=" + "a1" * 200, f"password={SECRET}"),
        ("password=" + "a1" * 200 + " x", f"password={SECRET} x"),
        # headers
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {SECRET}"),
        ("authorization: Bearer abc.d status=2", f"authorization: Bearer {SECRET} status=2"),
        (
            'Authorization: Digest username="ada", response="0d3e1e4d"',
            f"Authorization: Digest {SECRET}",
        ),
        ('"Authorization": "Bearer a1b2"', f'"Authorization": "Bearer {SECRET}"'),
        ("Cookie: sid=abc123; theme=dark", f"Cookie: sid={COOKIE}; theme={COOKIE}"),
        ("Set-Cookie: sid=abc123; Path=/; Secure", f"Set-Cookie: sid={COOKIE}; Path=/; Secure"),
        ("'Cookie': 'sid=abc123; b=c d'", f"'Cookie': 'sid={COOKIE}; b={COOKIE}'"),
        ("cookies=abc123", f"cookies={SECRET}"),
        ("'cookie': 'abc123'", f"'cookie': '{SECRET}'"),
        ("Cookie: sid=; a=b1 and more", f"Cookie: sid=; a={COOKIE} and more"),
        ("Bearer abcdefghijklmnop", f"Bearer {SECRET}"),
        (
            "[(b'authorization', b'Bearer a1'), ('x-api-key', 'qqq')]",
            f"[(b'authorization', b'Bearer {SECRET}'), ('x-api-key', '{SECRET}')]",
        ),
        # URLs
        ("postgres://u:p@ss@host/db", f"postgres://u:{PASSWORD}@host/db"),
        ("amqp://u:pa/ss@host", f"amqp://u:{PASSWORD}@host"),
        (
            "https://0123456789abcdef0123@github.com/x.git",
            f"https://{PASSWORD}@github.com/x.git",
        ),
        ("jdbc:oracle:thin:ada/h2@//db:1", f"jdbc:oracle:thin:ada/{PASSWORD}@//db:1"),
        ("to=pg%3A%2F%2Fu%3Ahunter2%40h%2Fd", f"to=pg%3A%2F%2Fu%3A{PASSWORD}%40h%2Fd"),
        (r"https:\/\/u:hunter2@h\/d", rf"https:\/\/u:{PASSWORD}@h\/d"),
        (r"pg://u\u003ahunter2\u0040h", rf"pg://u\u003a{PASSWORD}\u0040h"),
        # commands
        ("curl -u admin:s3cret https://x/", f"curl -u admin:{SECRET} https://x/"),
        ("mysql -u root -pS3cretPw db", f"mysql -u root -p{SECRET} db"),
        ("['mysql', '--password', 'hunter2']", f"['mysql', '--password', '{SECRET}']"),
        ("run --token abc123 -v", f"run --token {SECRET} -v"),
        ("sshpass -p 'hunter2' ssh x", f"sshpass -p '{SECRET}' ssh x"),
        (
            "['docker', 'login', '-u', 'a', '-p', 'hunter2']",
            f"['docker', 'login', '-u', 'a', '-p', '{SECRET}']",
        ),
        ("redis-cli -a hunter2 ping", f"redis-cli -a {SECRET} ping"),
        ("keytool -storepass hunter2", f"keytool -storepass {SECRET}"),
        # SQL
        ("IDENTIFIED BY 'hunter2'", f"IDENTIFIED BY '{SECRET}'"),
        ("IDENTIFIED BY hunter2", f"IDENTIFIED BY {SECRET}"),
        ("ALTER ROLE app WITH PASSWORD 'hunter2'", f"ALTER ROLE app WITH PASSWORD '{SECRET}'"),
        ("PRAGMA key = 'hunter2'", f"PRAGMA key = '{SECRET}'"),
        ("crypt('hunter2', 'sha256')", f"crypt('{SECRET}', 'sha256')"),
        (
            "INSERT INTO u (name, password) VALUES ('ada', 'hunter2'), (\"bob\", \"hunter3\")",
            f"INSERT INTO u (name, password) VALUES ('ada', '{SECRET}'), (\"bob\", \"{SECRET}\")",
        ),
        (
            "[SQL: INSERT INTO u (password, n) VALUES (?, ?)] [parameters: ('hunter2', 7)]",
            f"[SQL: INSERT INTO u (password, n) VALUES (?, ?)] [parameters: ('{SECRET}', 7)]",
        ),
        (
            "INSERT INTO u (password, n) VALUES ('hunter2', 7); INSERT INTO v (n) VALUES ('x')",
            f"INSERT INTO u (password, n) VALUES ('{SECRET}', 7); INSERT INTO v (n) VALUES ('x')",
        ),
        ("INSERT INTO u (n, password) VALUES (7), ({", "INSERT INTO u (n, password) VALUES (7), ({"),
        ("INSERT INTO u (n, password) VALUES ({", "INSERT INTO u (n, password) VALUES ({"),
        # markup and files
        ("<password>hunter2</password>", f"<password>{SECRET}</password>"),
        ('<add key="Password" value="hunter2"/>', f'<add key="Password" value="{SECRET}"/>'),
        ('<p name="password">hunter2</p>', f'<p name="password">{SECRET}</p>'),
        (
            '{"name": "DB_PASSWORD", "value": "hunter2"}',
            f'{{"name": "DB_PASSWORD", "value": "{SECRET}"}}',
        ),
        ("- name: DB_PASSWORD\n  value: hunter2", f"- name: DB_PASSWORD\n  value: {SECRET}"),
        ("machine x login ada password hunter2", f"machine x login ada password {PASSWORD}"),
        ("db:5432:app:ada:hunter2", f"db:5432:app:ada:{PASSWORD}"),
        # sentences
        ("the password is hunter2!", f"the password is {SECRET}!"),
        ("did not accept api_key 'abcd1234'", f"did not accept api_key '{SECRET}'"),
    ],
)  # fmt: skip
def test_a_secret_is_hidden_and_what_helps_stays(text: str, clean: str) -> None:
    assert scrub_text(text) == clean
    assert scrub_text(clean) == clean  # a second time takes nothing more


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password()",
        "api_key=os.environ['KEY'], token=settings.token, secret=self._secret",
        "api_key=api_key, password=user_password",
        "def f(password: str, token: Optional[str] = None) -> bool:",
        "auth: AuthTypes | None = None",
        "token = await fetch(url)",
        "Invalid API key: please check it",
        "Unexpected token: } in JSON at position 17",
        "token: 17, position: 3",
        "key=orders/17 and key=lambda x: x",
        "routing_key=orders.created.europe.v2",
        "session_id=3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "a?key=user/17&code=404",
        "a?key=",
        "Authorization header is missing",
        "Authorization: header is missing in the request",
        "Authorization: required",
        "Authorization:",
        'Authorization: ""',
        "Cookie: Path=/; Secure",
        "cookie:",
        "basic functionality of a bearer authentication",
        "http://host:8080/x, http://ada@host/path, ssh://git@github.com/x",
        "amqp://host:5672/vhost",
        "https://long-user-name-of-ada@host/x",
        "token = cls._process(tdef[1])",
        "the token is required, the password is wrong",
        "the token is a[1]",
        "['token', 'quoted value']",
        "unexpected token 'identifier'",
        "run --token --verbose, --key-size 4096, --auth",
        "run --password ****",
        "password: <your password>, api_key: {{ api_key }}, secret: %(secret)s, pwd=sk-...",
        "[secret 3f9a1c] [github token 12] [api key]",
        "token=[secret 3f9a1c] password='[secret 3f9a1c]'",
        "<password></password> <token>${TOKEN}</token>",
        "curl -u ada:**** https://x",
        "IDENTIFIED BY '<password>'",
        "password_min_length=93 password_expiry_days=90 token_count=7",
        "if token == '' or secret=(): pass",
        "auth=- key=… sig=!!",
        "-----BEGIN PRIVATE KEY----- is not there",
        "%zz %41 %3a%3a",
        "login page: account ada changed the password yesterday",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert scrub_text(text) == text


def test_a_list_of_names_ends_somewhere() -> None:
    many = ", ".join(f'"a{number}b"' for number in range(150))
    assert scrub_text(f"tokens_secret=[{many}]").count(SECRET) == 100


def test_a_value_in_escaped_quotes_is_looked_for_within_bounds() -> None:
    text = "password='" + r"\'" * 300 + "x'"
    assert scrub_text(text).startswith(f"password='{SECRET}")


@pytest.mark.parametrize("end", ["-----END PRIVATE KEY-----", "", "Private-MAC: " + "0a" * 20])
def test_private_keys_are_hidden_with_all_their_lines(end: str) -> None:
    begin = (
        "PuTTY-User-Key-File-3: ssh" if end.startswith("Priv") else "-----BEGIN PRIVATE KEY-----"
    )
    text = f"{begin}\nMIIEabcd\nefgh=\n{end}\n\nAnd more"
    clean = scrub_text(text)
    assert clean.startswith("[private key]")
    assert "MIIE" not in clean and "efgh" not in clean
    assert clean.endswith("And more")


def test_private_keys_one_after_another_are_two() -> None:
    one = "-----BEGIN EC PRIVATE KEY-----\nMIIEabcd\n-----END EC PRIVATE KEY-----\n"
    assert scrub_text(one + "x\n" + one) == "[private key]\nx\n[private key]\n"
    assert scrub_text("-----BEGIN PRIVATE KEY-----\nMIIEabcd\n" + one).count("[private key]") == 2
