"""Secrets of those who move money and goods, and of chains."""

from __future__ import annotations

from .format import Format, mixed

__all__ = ["FORMATS"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _base58_checks(secret: bytes) -> bool:
    """Whether the last four of its bytes are the digest that Base58Check asks for."""
    import hashlib

    number = 0
    for one in secret:
        number = number * 58 + _BASE58.index(one)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, check = raw[:-4], raw[-4:]
    return hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == check


FORMATS = (
    Format("stripe key", "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_", r"[A-Za-z0-9_]{10,}", "https://docs.stripe.com/keys"),
    Format("stripe webhook secret", "whsec_", r"[A-Za-z0-9+/]{24,64}={0,2}", "https://docs.stripe.com/webhooks"),
    Format("square token", "EAAA", r"[A-Za-z0-9_-]{60}", "https://developer.squareup.com/docs/build-basics/access-tokens"),
    Format("square legacy token", "sq0atp-", r"[A-Za-z0-9_-]{22}", "https://developer.squareup.com/docs/build-basics/access-tokens"),
    Format("square secret", "sq0csp-", r"[A-Za-z0-9_-]{40,44}", "https://developer.squareup.com/docs/oauth-api/overview"),
    Format("braintree token", "access_token$", r"(?:production|sandbox)\$[a-z0-9]{16}\$[0-9a-f]{32}", "https://developer.paypal.com/braintree/docs/guides/extend/oauth/access-tokens"),
    Format("paypal token", "A21AA", r"[A-Za-z0-9_-]{60,120}", "https://developer.paypal.com/api/rest/authentication/"),
    Format("plaid token", "access- link- public-", r"(?:sandbox|development|production)-" + _UUID, "https://plaid.com/docs/api/tokens/"),
    Format("adyen key", "AQE", r"[A-Za-z0-9+/=-]{60,}", "https://docs.adyen.com/development-resources/api-credentials/"),
    Format("razorpay key", "rzp_live_ rzp_test_", r"[A-Za-z0-9]{14}", "https://razorpay.com/docs/api/authentication/"),
    Format("flutterwave key", "FLWSECK-", r"[A-Za-z0-9]{32}-[A-Za-z0-9]+", "https://developer.flutterwave.com/docs/authentication"),
    Format("flutterwave test key", "FLWSECK_TEST", r"-?[A-Za-z0-9]{12,40}(?:-X)?", "https://developer.flutterwave.com/docs/authentication"),
    Format("mollie key", "live_ test_", r"[A-Za-z0-9]{30}", "https://docs.mollie.com/reference/authentication", check=mixed),
    Format("mollie access token", "access_", r"[A-Za-z0-9]{40}", "https://docs.mollie.com/reference/authentication"),
    Format("gocardless token", "live_ sandbox_", r"[A-Za-z0-9_=-]{40}", "https://developer.gocardless.com/api-reference/", check=mixed),
    Format("chargebee key", "live_ test_", r"[A-Za-z0-9]{20,60}", "https://apidocs.chargebee.com/docs/api/auth", check=mixed),
    Format("lob key", "live_ test_", r"(?:pub_)?[0-9a-f]{31,35}", "https://docs.lob.com/#tag/Authentication", check=mixed),
    Format("mercado pago token", "APP_USR- TEST-", r"[0-9]{10,20}-[0-9]{6}-[0-9a-f]{32}(?:__[A-Z_]{5}__)?-[0-9]{6,12}", "https://www.mercadopago.com/developers/en/docs/your-integrations/credentials"),
    Format("checkout.com sandbox key", "sk_sbox_", r"[a-z0-9]{10,40}[a-z0-9*#$=_-]{0,3}", "https://www.checkout.com/docs/developer-resources/api/api-authentication/api-keys"),
    Format("checkout.com key", "sk_", r"[a-z0-9]{26}[a-z0-9*#$=_-]{0,3}", "https://www.checkout.com/docs/developer-resources/api/api-authentication/api-keys", check=mixed),
    Format("checkout.com legacy key", "sk_ sk_test_", _UUID, "https://www.checkout.com/docs/developer-resources/api/api-authentication/api-keys"),
    Format("paddle key", "pdl_live_apikey_ pdl_sdbx_apikey_", r"[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}", "https://developer.paddle.com/api-reference/about/api-keys"),
    Format("paddle webhook secret", "pdl_ntfset_", r"[a-z0-9]{26}_[A-Za-z0-9+/=_-]{20,60}", "https://developer.paddle.com/webhooks/signature-verification"),
    Format("easypost key", "EZAK EZTK", r"[A-Za-z0-9]{54}", "https://docs.easypost.com/docs/authentication"),
    Format("shippo token", "shippo_live_ shippo_test_", r"[0-9a-f]{40}", "https://docs.goshippo.com/docs/guides_general/authentication/"),
    Format("duffel token", "duffel_live_ duffel_test_", r"[A-Za-z0-9_=-]{43}", "https://duffel.com/docs/api/overview/authentication"),
    Format("shopify token", "shpat_ shpca_ shppa_ shpss_ shpua_", r"[0-9a-fA-F]{32}", "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"),
    Format("shopify partner token", "prtapi_", r"[0-9a-f]{32}", "https://shopify.dev/docs/api/partner"),
    Format("woocommerce key", "ck_ cs_", r"[0-9a-f]{40}", "https://woocommerce.github.io/woocommerce-rest-api-docs/"),
    Format("xendit key", "xnd_development_ xnd_production_", r"[A-Za-z0-9]{30,80}", "https://docs.xendit.co/docs/api-keys"),
    Format("midtrans key", "SB-Mid-server- Mid-server-", r"[A-Za-z0-9_-]{16,40}", "https://docs.midtrans.com/docs/access-keys"),
    Format("klarna key", "klarna_live_api_ klarna_test_api_", r"[A-Za-z0-9+/=_-]{40,}", "https://docs.klarna.com/api/authentication/"),
    Format("sumup key", "sup_sk_", r"[A-Za-z0-9]{24,40}", "https://developer.sumup.com/api/authentication"),
    Format("gumroad or patreon token", "", r"(?i:gumroad|patreon)[^\r\n]{0,30}?\b([A-Za-z0-9_-]{43})", "https://docs.patreon.com/", r"(?i:gumroad|patreon)"),
    Format("polar token", "polar_oat_ polar_pat_ polar_at_o_ polar_whs_", r"[A-Za-z0-9]{30,60}", "https://polar.sh/docs/integrate/authentication"),
    Format("ramp token", "ramp_sec_ ramp_tok_", r"[A-Za-z0-9_]{30,80}", "https://docs.ramp.com/developer-api/v1/authorization"),
    Format("increase key", "sandbox_key_ production_key_", r"[A-Za-z0-9_]{20,60}", "https://increase.com/documentation/api"),
    Format("bitcoin key", "", r"[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}", "https://en.bitcoin.it/wiki/Wallet_import_format", r"\b[5KLc9][1-9A-HJ-NP-Za-km-z]{4}", _base58_checks),
    Format("extended private key", "xprv yprv zprv tprv", r"[1-9A-HJ-NP-Za-km-z]{100,112}", "https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki"),
    Format("nostr key", "nsec1", r"[02-9ac-hj-np-z]{58}", "https://github.com/nostr-protocol/nips/blob/master/19.md"),
    Format("infura key", "", r"infura\.io/(?:ws/)?v3/([0-9a-f]{32})", "https://docs.metamask.io/services/how-to/secure-an-api/api-key/", r"infura\.io/"),
    Format("alchemy key", "", r"alchemy(?:api)?\.(?:com|io)/(?:nft/|v)[^/\s]{0,4}/?([A-Za-z0-9_-]{32})", "https://www.alchemy.com/docs/reference/api-overview", r"alchemy(?:api)?\.(?:com|io)/"),
    Format("quicknode key", "", r"quiknode\.pro/([0-9a-f]{40})", "https://www.quicknode.com/docs/welcome", r"quiknode\.pro/"),
    Format("moonpay key", "sk_live_ sk_test_", r"[A-Za-z0-9]{32}", "https://dev.moonpay.com/", check=mixed),
    Format("coinbase key", "organizations/", _UUID + r"/apiKeys/" + _UUID, "https://docs.cdp.coinbase.com/get-started/docs/cdp-api-keys"),
)  # fmt: skip
