"""auth_callout in the claims of an account: a service in the account says who its users are, and where they go.
What is no own promise holds for the reference, too."""

import json
import sys
import time
import unittest

from claims import Key
from curve import CurveKey
from test_auth_callout import Authority
from test_operator import ANY, FREE
from test_resolver import ResolverCase
from wire import own_promise


class SignedCallout(ResolverCase):
    """`account` has a service, `auth` is its user; `other` is an account that the service may send users to."""

    xkey = None

    def setUp(self):
        super().setUp()
        self.auth, self.other = Key("U"), Key("A")
        self.issuer = self.account  # of answers
        self.sentinel = Key("U")

    def start_callout(self, decide=None, xkey=None, allowed=None, **claims):
        self.start(extra='authorization { timeout: 20 }')
        self.admins = self.admin_client()
        self.xkey = xkey
        self.authorization = {"auth_users": [self.auth.text], "allowed_accounts": [self.other.text] if allowed is None else allowed}
        if xkey:
            self.authorization["xkey"] = xkey.text
        self.pushed(self.admins, self.claims(authorization=self.authorization, **claims))
        self.pushed(self.admins, self.claims(account=self.other), self.other)
        self.authority = Authority(self, self.let_in(self.auth), decide or self.usual)
        self.assertNotIn(b"-ERR", self.authority.connection.flush())
        self.authority.start()

    def person(self, request, by=None, name="n", **claims):
        return (by or self.other).token("user", request["nats"]["user_nkey"], name=name, **{**ANY, **claims})

    def usual(self, authority, request):
        if request["nats"]["connect_opts"].get("pass") != "good":
            return ValueError("unknown")
        return authority.respond(request, self.person(request))

    def arrives(self, password="good", **claims):
        claims.setdefault("bearer_token", True)
        return self.connect_as(password, **claims)

    def connect_as(self, password, **claims):
        client = self.connect(self.sentinel, self.account, says={"user": "bob", "pass": password}, **claims)
        client.send(b"PING\r\n")
        return client

    def is_in(self, client):
        self.assertEqual(client.line(), b"PONG\r\n")
        client.send(b"SUB in 9\r\nPUB $SYS.REQ.USER.INFO in 0\r\n\r\n")
        return json.loads(client.message()[3])["data"]

    def is_out(self, client):
        self.assertIn(b"-ERR 'Authorization Violation'", client.until_end())

    def test_the_service_says_who_comes_in_and_where(self):
        self.start_callout()
        info = self.is_in(self.arrives())
        self.assertEqual((info["account"], info["user"]), (self.other.text, "n"))
        self.is_out(self.arrives("bad"))

    def test_it_is_asked_with_the_claims_that_the_client_came_with(self):
        self.start_callout()
        self.is_in(self.arrives())
        _, request = self.authority.asked[0]
        nats = request["nats"]
        self.assertEqual(request["sub"], self.account.text)
        self.assertEqual(nats["connect_opts"]["user"], "bob")
        self.assertTrue(nats["connect_opts"]["jwt"].startswith("eyJ"))
        self.assertEqual(nats["client_info"]["user"], "bob")

    def test_a_user_may_stay_in_the_account_of_the_service_but_asks_nobody_there(self):
        self.start_callout(lambda authority, request: authority.respond(request, self.person(request, by=self.account)))
        client = self.arrives()
        self.assertEqual(self.is_in(client)["account"], self.account.text)
        client.send(b"PUB $SYS.REQ.USER.AUTH 0\r\n\r\n")
        self.assertIn(b"Permissions Violation for Publish to \"$SYS.REQ.USER.AUTH\"", client.line())
        service = self.authority.connection
        service.send(b"PUB $SYS.REQ.USER.AUTH 0\r\n\r\n")
        self.assertEqual(len(self.authority.asked), 1)

    def test_accounts_that_it_does_not_name_are_none(self):
        third = Key("A")
        for allowed, by, good in (([], self.other, False), (None, third, False), (["*"], third, True)):
            with self.subTest(allowed=allowed):
                self.start_callout(lambda authority, request, by=by: authority.respond(request, self.person(request, by=by)), allowed=allowed)
                self.pushed(self.admins, self.claims(account=third), third)
                (self.is_in if good else self.is_out)(self.arrives())

    def test_a_key_that_the_account_signs_with_says_what_its_template_does(self):
        signer = Key("A")
        scope = {"kind": "user_scope", "key": signer.text, "role": "r", "template": {**ANY, "pub": {"allow": ["a", "$SYS.REQ.USER.INFO"]}, "sub": {}}}

        def decide(authority, request):
            token = signer.token("user", request["nats"]["user_nkey"], name="n", pub={}, sub={}, issuer_account=self.other.text)
            return authority.respond(request, token)

        self.start_callout(decide)
        self.pushed(self.admins, self.claims(account=self.other, signing_keys=[scope]), self.other)
        client = self.arrives()
        self.assertEqual(self.is_in(client)["account"], self.other.text)
        client.send(b"PUB a 0\r\n\r\nPUB b 0\r\n\r\n")
        self.assertIn(b"Permissions Violation for Publish to \"b\"", client.line())

    def test_an_answer_that_somebody_else_has_signed_is_none(self):
        self.start_callout()
        self.issuer = Key("A")
        self.is_out(self.arrives())

    def test_it_may_be_sealed(self):
        self.start_callout(xkey=CurveKey())
        self.is_in(self.arrives())
        self.is_out(self.arrives("bad"))
        for sealed in self.authority.sealed:
            self.assertTrue(sealed.startswith(b"xkv1"))

    @own_promise  # the reference asks the service about those, too
    def test_who_is_not_let_in_by_its_own_claims_is_not_asked_about(self):
        self.start_callout()
        client = self.connect(self.sentinel, self.account, signs=Key("U"), says={"user": "bob", "pass": "good"})
        client.send(b"PING\r\n")
        self.is_out(client)
        self.assertEqual(self.authority.asked, [])

    @own_promise  # there whoever calls itself so in the CONNECT is let in by its own claims
    def test_nobody_is_a_service_by_saying_so(self):
        self.start_callout(lambda authority, request: ValueError("no"))
        client = self.connect(self.sentinel, self.account, says={"user": self.auth.text}, bearer_token=True)
        client.send(b"PING\r\n")
        self.is_out(client)

    @own_promise
    def test_a_push_ends_who_was_let_in_and_would_not_be_now(self):
        self.start_callout()
        client = self.arrives()
        self.is_in(client)
        self.pushed(self.admins, self.claims(account=self.other, name="again"), self.other)
        self.assertEqual(client.flush(), b"")
        self.pushed(self.admins, self.claims(account=self.other, revocations={"*": 2**33}), self.other)
        self.assertIn(b"-ERR 'User Authentication Revoked'", client.until_end())

    def test_who_was_let_in_goes_when_the_account_ends(self):
        self.start_callout()
        end = int(time.time()) + 5
        self.pushed(self.admins, self.operator.token("account", self.other.text, 2, end, limits=FREE), self.other)
        client = self.arrives()
        self.is_in(client)
        self.assertIn(b"Authentication Expired", client.until_end())
        self.assertGreaterEqual(time.time(), end - 1)

    @own_promise
    def test_claims_that_name_nobody_are_refused(self):
        self.start()
        admin = self.admin_client()
        for wrong in ({"auth_users": ["x"]}, {"auth_users": [self.auth.text], "allowed_accounts": ["x"]}, {"auth_users": [self.auth.text], "xkey": "X"}):
            with self.subTest(wrong):
                self.assertIn("error", self.push(admin, self.claims(authorization=wrong)))


del ResolverCase  # whose tests are elsewhere

if __name__ == "__main__":
    unittest.main(argv=sys.argv)
