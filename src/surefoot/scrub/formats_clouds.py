"""Secrets of clouds and hosters, and of those that keep secrets for others."""

from __future__ import annotations

from .format import Format, mixed

__all__ = ["FORMATS"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MICROSOFT = (
    "https://learn.microsoft.com/en-us/purview/sit-sensitive-information-type-entity-definitions"
)

FORMATS = (
    Format(
        "aws key", "AKIA ASIA ABIA ACCA", r"[A-Z0-9]{16}",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html",
    ),
    Format(
        "aws session token", "IQoJb3JpZ2lu FwoGZXIvYXdz FQoGZXIvYXdz", r"[A-Za-z0-9+/=_-]{60,}",
        "https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html",
    ),
    Format(
        "aws marketplace key", "amzn.mws.", _UUID,
        "https://developer-docs.amazon.com/sp-api/docs/authorizing-selling-partner-api-applications",
    ),
    Format(
        "login with amazon secret", "amzn1.oa2-cs.v1.", r"[0-9a-f]{64}",
        "https://developer.amazon.com/docs/login-with-amazon/register-web.html",
    ),
    Format(
        "aws appsync key", "da2-", r"[a-z0-9]{26}",
        "https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html",
    ),
    Format("google key", "AIza", r"[A-Za-z0-9_-]{35}", "https://cloud.google.com/docs/authentication/api-keys"),
    Format("google cloud key", "AQ.", r"Ab8[A-Za-z0-9_-]{40,60}", "https://cloud.google.com/docs/authentication/api-keys"),
    Format(
        "google token", "ya29.", r"[A-Za-z0-9_.-]{20,}",
        "https://developers.google.com/identity/protocols/oauth2",
    ),
    Format(
        "google refresh token", "1//0", r"[A-Za-z0-9_-]{30,}",
        "https://developers.google.com/identity/protocols/oauth2",
    ),
    Format(
        "google client secret", "GOCSPX-", r"[A-Za-z0-9_-]{24,40}",
        "https://support.google.com/cloud/answer/6158849",
    ),
    Format(
        "google authorization code", "4/0A", r"[A-Za-z0-9_-]{50,120}",
        "https://developers.google.com/identity/protocols/oauth2/web-server",
    ),
    Format(
        "google hmac key", "GOOG1E GOOG", r"[A-Z0-9]{20,60}",
        "https://cloud.google.com/storage/docs/authentication/hmackeys",
    ),
    Format(
        "azure client secret", "", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        _MICROSOFT, r"[0-9]Q~",
    ),
    Format("azure storage key", "", r"[A-Za-z0-9+/]{76}\+ASt[A-Za-z0-9+/]{6}==", _MICROSOFT, r"\+ASt"),
    Format(
        "azure account key", "", r"(?i:AccountKey|SharedAccessKey|AccessKey)=([A-Za-z0-9+/]{40,90}={0,2})",
        "https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string",
        r"(?i:AccessKey|AccountKey)=",
    ),
    Format("azure cosmos key", "", r"[A-Za-z0-9+/]{76}ACDb[A-Za-z0-9+/]{6}==", _MICROSOFT, "ACDb"),
    Format("azure batch key", "", r"[A-Za-z0-9+/]{76}\+ABa[A-Za-z0-9+/]{6}==", _MICROSOFT, r"\+ABa"),
    Format("azure search key", "", r"[A-Za-z0-9]{42}AzSe[A-Z][A-Za-z0-9]{5}", _MICROSOFT, "AzSe"),
    Format("azure registry key", "", r"[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9+/]{6}", _MICROSOFT, r"\+ACR"),
    Format("azure functions key", "", r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]==", _MICROSOFT, "AzFu"),
    Format(
        "azure messaging key", "", r"[A-Za-z0-9+/]{33}(?:AIoT|\+ASb|\+AEh|\+ARm|AzCa|AzEG)[A-Za-z0-9+/]{6,7}={1,2}",
        _MICROSOFT, r"AIoT|\+ASb|\+AEh|\+ARm|AzCa|AzEG",
    ),
    Format(
        "azure devops token", "", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
        "https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate",
        "AZDO",
    ),
    Format(
        "azure devops legacy token", "", r"[a-z2-7]{52}",
        "https://learn.microsoft.com/en-us/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate",
        r"[a-z2-7]{12}", lambda secret: len(set(secret)) >= 16 and bool(set(secret) & set(b"234567")),
    ),
    Format(
        "digitalocean token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}",
        "https://docs.digitalocean.com/reference/api/create-personal-access-token/",
    ),
    Format(
        "digitalocean spaces key", "DO00", r"[A-Z0-9]{16}",
        "https://docs.digitalocean.com/products/spaces/how-to/manage-access/",
    ),
    Format(
        "cloudflare origin key", "v1.0-", r"[0-9a-f]{24}-[0-9a-f]{146}",
        "https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/",
    ),
    Format(
        "cloudflare token", "cfut_ cfat_ cfk_", r"[A-Za-z0-9_-]{32,60}",
        "https://developers.cloudflare.com/fundamentals/api/get-started/create-token/",
    ),
    Format(
        "turnstile secret", "0x4AAAAAAA", r"[A-Za-z0-9_-]{20,40}",
        "https://developers.cloudflare.com/turnstile/get-started/",
    ),
    Format("alibaba key", "LTAI", r"[A-Za-z0-9]{12,26}", "https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair"),
    Format("tencent key", "AKID", r"[A-Za-z0-9]{32}", "https://www.tencentcloud.com/document/product/598/32675"),
    Format("yandex key", "AQVN", r"[A-Za-z0-9_-]{35,38}", "https://yandex.cloud/en/docs/iam/concepts/authorization/api-key"),
    Format("yandex token", "t1.", r"[A-Za-z0-9_-]{20,}={0,2}\.[A-Za-z0-9_-]{86}={0,2}", "https://yandex.cloud/en/docs/iam/concepts/authorization/iam-token"),
    Format("yandex oauth token", "y0_ y1_ y2_ y3_", r"[A-Za-z0-9_-]{50,100}", "https://yandex.cloud/en/docs/iam/concepts/authorization/oauth-token"),
    Format("yandex static key", "YCAJE YCA", r"[A-Za-z0-9_-]{20,22}", "https://yandex.cloud/en/docs/iam/concepts/authorization/access-key"),
    Format("heroku token", "HRKU-", r"[A-Za-z0-9_-]{36,70}", "https://devcenter.heroku.com/articles/authentication"),
    Format("fly token", "fm1_ fm1r_ fm1a_ fm2_ fo1_", r"[A-Za-z0-9+/=_,-]{40,}", "https://fly.io/docs/security/tokens/"),
    Format("netlify token", "nfp_ nfc_ nfo_ nfu_", r"[A-Za-z0-9]{36,60}", "https://docs.netlify.com/api/get-started/"),
    Format("vercel token", "vcp_ vci_ vca_ vcr_", r"[A-Za-z0-9]{24,80}", "https://vercel.com/docs/rest-api"),
    Format("vercel blob token", "vercel_blob_rw_", r"[A-Za-z0-9]{10,20}_[A-Za-z0-9]{20,40}", "https://vercel.com/docs/vercel-blob"),
    Format("render key", "rnd_", r"[A-Za-z0-9]{28,40}", "https://render.com/docs/api"),
    Format("scaleway key", "SCW", r"[A-Z0-9]{17}", "https://www.scaleway.com/en/docs/iam/how-to/create-api-keys/"),
    Format("scalingo token", "tk-us-", r"[A-Za-z0-9_-]{48}", "https://developers.scalingo.com/"),
    Format("exoscale key", "EXO", r"[0-9a-f]{24}", "https://community.exoscale.com/platform/iam/"),
    Format("upcloud token", "ucat_", r"[A-Z0-9]{26}", "https://developers.upcloud.com/"),
    Format("ovh consumer key", "", r"(?i:ovh)[^\r\n]{0,30}?\b([A-Za-z0-9]{32})", "https://help.ovhcloud.com/csm/en-gb-api-getting-started-ovhcloud-api", r"(?i:ovh)"),
    Format(
        "doppler token", "dp.pt. dp.ct. dp.sa. dp.scim. dp.audit. dp.said.", r"[A-Za-z0-9]{40,44}",
        "https://docs.doppler.com/reference/auth-token-formats",
    ),
    Format(
        "doppler service token", "dp.st.", r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
        "https://docs.doppler.com/reference/auth-token-formats",
    ),
    Format(
        "vault token", "hvs. hvb. hvr.", r"[A-Za-z0-9_-]{20,}",
        "https://developer.hashicorp.com/vault/docs/concepts/tokens",
    ),
    Format(
        "vault legacy token", "", r"(?:[^A-Za-z0-9_.]|^)([sbr]\.[A-Za-z0-9]{24})",
        "https://developer.hashicorp.com/vault/docs/concepts/tokens", r"(?:[^A-Za-z0-9_.]|^)[sbr]\.[A-Za-z0-9]{24}", mixed,
    ),
    Format(
        "terraform token", "", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{50,80}",
        "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens", r"\.atlasv1\.",
    ),
    Format("pulumi token", "pul-", r"[0-9a-f]{40}", "https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/"),
    Format("spacelift token", "spcl_", r"[A-Za-z0-9_-]{20,100}", "https://docs.spacelift.io/integrations/api"),
    Format("infracost key", "ico-", r"[A-Za-z0-9]{32}", "https://www.infracost.io/docs/"),
    Format(
        "1password service account token", "ops_eyJ", r"[A-Za-z0-9+/_-]{100,}={0,3}",
        "https://developer.1password.com/docs/service-accounts/security/",
    ),
    Format(
        "1password secret key", "A3-", r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        "https://support.1password.com/secret-key-security/",
    ),
    Format("bitwarden token", "", r"0\." + _UUID + r"\.[A-Za-z0-9]{20,40}:[A-Za-z0-9+/]{22}==", "https://bitwarden.com/help/access-tokens/", r"0\.[0-9a-f]{8}-[0-9a-f]{4}-"),
    Format("infisical token", "st.", r"[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}", "https://infisical.com/docs/documentation/platform/token"),
    Format("akeyless key", "p-", r"[a-z0-9]{12,14}(?:am|[a-z]{2})[A-Za-z0-9+/]{30,60}=", "https://docs.akeyless.io/docs/api-key"),
    Format("age key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{58}", "https://github.com/C2SP/C2SP/blob/main/age.md"),
    Format("age plugin key", "AGE-PLUGIN-", r"[A-Z0-9]{2,20}-1[A-Z0-9]{30,}", "https://github.com/C2SP/C2SP/blob/main/age-plugin.md"),
    Format("openshift token", "sha256~", r"[A-Za-z0-9_-]{43}", "https://docs.openshift.com/container-platform/latest/authentication/managing-oauth-access-tokens.html"),
    Format("tailscale key", "tskey-", r"(?:api-|auth-|client-|scim-|webhook-)?[A-Za-z0-9]{6,30}(?:CNTRL)?-[A-Za-z0-9]{16,60}", "https://tailscale.com/kb/1252/key-prefixes"),
    Format("tailscale legacy key", "tskey-", r"[A-Za-z0-9]{16,40}", "https://tailscale.com/kb/1252/key-prefixes"),
    Format("ngrok token", "", r"[123][A-Za-z0-9]{26}_[0-9][A-Za-z0-9]{19,21}", "https://ngrok.com/docs/agent/#authtokens", r"[A-Za-z0-9]{8}_[0-9]"),
    Format("ngrok key", "ak_ cr_", r"[123][A-Za-z0-9]{26}(?:_[A-Za-z0-9]{18,24})?", "https://ngrok.com/docs/api/"),
    Format("defined networking key", "dnkey-", r"[A-Za-z0-9]{26}-[A-Za-z0-9]{52}", "https://docs.defined.net/guides/automating-host-creation/"),
    Format("fastly token", "", r"(?i:fastly)[^\r\n]{0,30}?([A-Za-z0-9_-]{32})", "https://www.fastly.com/documentation/reference/api/auth-tokens/", r"(?i:fastly)"),
    Format("linode token", "", r"(?i:linode)[^\r\n]{0,30}?([0-9a-f]{64})", "https://techdocs.akamai.com/linode-api/reference/get-started", r"(?i:linode)"),
    Format("hetzner token", "", r"(?i:hcloud|hetzner)[^\r\n]{0,30}?([A-Za-z0-9]{64})", "https://docs.hetzner.cloud/", r"(?i:hcloud|hetzner)"),
    Format("akamai token", "akab-", r"[a-z0-9]{16}-[a-z0-9]{16}", "https://techdocs.akamai.com/developer/docs/edgegrid"),
)  # fmt: skip
