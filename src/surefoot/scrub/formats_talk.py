"""Secrets of chat, mail, marketing and social networks, addresses of web hooks among them."""

from __future__ import annotations

from .format import Format

__all__ = ["FORMATS"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SLACK = "https://docs.slack.dev/authentication/tokens/"

FORMATS = (
    Format("slack token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxc- xoxd-", r"[A-Za-z0-9%/+=-]{10,}", _SLACK),
    Format("slack configuration token", "xoxe.xoxp- xoxe.xoxb- xoxe-", r"[0-9]-[A-Za-z0-9-]{20,}", _SLACK),
    Format("slack app token", "xapp-", r"[0-9]-[A-Z0-9]{8,14}-[0-9]{8,16}-[A-Za-z0-9]{40,80}", _SLACK),
    Format("slack webhook", "", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{18,120})", "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/", r"hooks\.slack"),
    Format("discord token", "", r"[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,45}", "https://discord.com/developers/docs/reference#authentication", r"\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]",
           lambda secret: secret[:1] in b"MNO" and any(48 <= one <= 57 for one in secret)),
    Format("discord mfa token", "mfa.", r"[A-Za-z0-9_-]{80,100}", "https://discord.com/developers/docs/reference#authentication"),
    Format("discord webhook", "", r"discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{15,22}/([A-Za-z0-9_-]{40,100})", "https://discord.com/developers/docs/resources/webhook", r"discord(?:app)?\.com/api/"),
    Format("telegram token", "", r"[0-9]{8,10}:[A-Za-z0-9_-]{35}", "https://core.telegram.org/bots/api#authorizing-your-bot", r"[0-9]{8}:[A-Za-z0-9_-]{2}"),
    Format("telegram token in a URL", "", r"api\.telegram\.org/(?:file/)?bot([0-9]{8,10}:[A-Za-z0-9_-]{35})", "https://core.telegram.org/bots/api#making-requests", r"api\.telegram\.org/"),
    Format("teams webhook", "", r"webhook\.office\.com/webhookb2/([0-9a-fA-F@-]{36,80}/IncomingWebhook/[0-9a-fA-F]{32}/[0-9a-fA-F-]{36}(?:/[A-Za-z0-9_-]{20,80})?)", "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook", r"webhook\.office\.com/"),
    Format("google chat webhook", "", r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{4,30}/messages\?([^\s\"'<>]{20,})", "https://developers.google.com/workspace/chat/quickstart/webhooks", r"chat\.googleapis\.com/"),
    Format("zapier webhook", "", r"hooks\.zapier\.com/hooks/(?:catch|standard)/([0-9]{4,12}/[A-Za-z0-9]{5,40}(?:/[A-Za-z0-9]{5,40})?)", "https://help.zapier.com/hc/en-us/articles/8496288690317", r"hooks\.zapier\.com/"),
    Format("ifttt key", "", r"maker\.ifttt\.com/trigger/[^/\s]{1,80}/(?:json/)?with/key/([A-Za-z0-9_-]{20,60})", "https://ifttt.com/maker_webhooks", r"maker\.ifttt\.com/"),
    Format("make webhook", "", r"hook\.(?:[a-z0-9]{2,8}\.)?(?:make|integromat)\.com/([a-z0-9]{24,40})", "https://help.make.com/webhooks", r"hook\.(?:[a-z0-9]{2,8}\.)?(?:make|integromat)\.com"),
    Format("mattermost or rocket.chat webhook", "", r"/hooks/([A-Za-z0-9]{15,30}(?:/[A-Za-z0-9]{30,80})?)", "https://developers.mattermost.com/integrate/webhooks/incoming/", r"/hooks/", lambda secret: any(48 <= one <= 57 for one in secret)),
    Format("feishu webhook", "", r"open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/([0-9a-fA-F-]{36})", "https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot", r"/open-apis/bot/"),
    Format("dingtalk webhook", "", r"oapi\.dingtalk\.com/robot/send\?access_token=([0-9a-f]{64})", "https://open.dingtalk.com/document/robots/custom-robot-access", r"oapi\.dingtalk\.com"),
    Format("wecom webhook", "", r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([0-9a-f-]{36})", "https://developer.work.weixin.qq.com/document/path/91770", r"qyapi\.weixin\.qq\.com"),
    Format("power automate webhook", "", r"logic\.azure\.com(?::443)?/workflows/[0-9a-f]{32}/[^\s\"'<>]{0,}?sig=([A-Za-z0-9_%-]{30,80})", "https://learn.microsoft.com/en-us/azure/logic-apps/logic-apps-securing-a-logic-app", r"logic\.azure\.com"),
    Format("twitch token", "oauth:", r"[a-z0-9]{30}", "https://dev.twitch.tv/docs/authentication/"),
    Format("twilio key", "SK", r"[0-9a-fA-F]{32}", "https://www.twilio.com/docs/iam/api-keys", r"\bSK[0-9a-fA-F]{4}"),
    Format("twilio account", "AC", r"[0-9a-f]{32}", "https://www.twilio.com/docs/iam/api/account", r"\bAC[0-9a-f]{4}"),
    Format("mailgun key", "key- pubkey-", r"[0-9a-f]{32}", "https://documentation.mailgun.com/docs/mailgun/user-manual/get-started/"),
    Format("mailgun sending key", "", r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}", "https://documentation.mailgun.com/docs/mailgun/user-manual/get-started/", r"-[0-9a-f]{8}-[0-9a-f]"),
    Format("sendgrid key", "SG.", r"[A-Za-z0-9_-]{16,24}\.[A-Za-z0-9_-]{16,50}", "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys"),
    Format("mailchimp key", "", r"[0-9a-f]{32}-us[0-9]{1,2}", "https://mailchimp.com/developer/marketing/guides/quick-start/", r"[0-9a-f]-us[0-9]"),
    Format("mandrill key", "md-", r"[A-Za-z0-9_-]{22}", "https://mailchimp.com/developer/transactional/docs/fundamentals/"),
    Format("brevo key", "xkeysib- xsmtpsib-", r"[0-9a-f]{64}-[A-Za-z0-9]{16}", "https://developers.brevo.com/docs/getting-started"),
    Format("resend key", "re_", r"[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,32}", "https://resend.com/docs/dashboard/api-keys/introduction"),
    Format("resend legacy key", "re_", r"[A-Za-z0-9]{30,40}", "https://resend.com/docs/dashboard/api-keys/introduction"),
    Format("mailersend token", "mlsn.", r"[0-9a-f]{64}", "https://developers.mailersend.com/general.html"),
    Format("mailjet or postmark key", "", r"(?i:mailjet|postmark)[^\r\n]{0,40}?([0-9a-f]{32}|" + _UUID + ")", "https://postmarkapp.com/developer/api/overview", r"(?i:mailjet|postmark)"),
    Format("elastic email key", "", r"(?i:elasticemail)[^\r\n]{0,30}?([0-9A-F]{96})", "https://elasticemail.com/developers/api-documentation/rest-api", r"(?i:elasticemail)"),
    Format("klaviyo key", "pk_", r"[0-9a-f]{34}", "https://developers.klaviyo.com/en/docs/authenticate_"),
    Format("hubspot token", "pat-na1- pat-na2- pat-na3- pat-eu1- pat-ap1-", _UUID, "https://developers.hubspot.com/docs/guides/apps/private-apps/overview"),
    Format("intercom token", "dG9rOj", r"[A-Za-z0-9+/]{50,80}={0,2}", "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication"),
    Format("onesignal key", "os_v2_app_ os_v2_org_", r"[a-z0-9]{60,120}", "https://documentation.onesignal.com/docs/en/keys-and-ids"),
    Format("fcm server key", "AAAA", r"[A-Za-z0-9_-]{7}:[A-Za-z0-9_-]{130,180}", "https://firebase.google.com/docs/cloud-messaging/server", r"AAAA[A-Za-z0-9_-]+:"),
    Format("courier key", "pk_prod_ pk_test_", r"[A-Z0-9]{28}", "https://www.courier.com/docs/reference/intro/"),
    Format("facebook token", "EAA", r"[A-Za-z0-9]{60,}", "https://developers.facebook.com/docs/facebook-login/guides/access-tokens/", r"\bEAA[A-Za-z0-9]{4}"),
    Format("facebook app token", "", r"[0-9]{14,17}\|[A-Za-z0-9_-]{27}", "https://developers.facebook.com/docs/facebook-login/guides/access-tokens/", r"[0-9]\|[A-Za-z0-9_-]{2}"),
    Format("instagram token", "IGQV IGQW IGAA", r"[A-Za-z0-9_-]{80,}", "https://developers.facebook.com/docs/instagram-platform/"),
    Format("x bearer token", "AAAAAAAAAAAAAAAAAAAAA", r"[A-Za-z0-9%]{60,120}", "https://docs.x.com/fundamentals/authentication/oauth-2-0/bearer-tokens"),
    Format("x access token", "", r"[1-9][0-9]{6,19}-[A-Za-z0-9]{40}", "https://docs.x.com/fundamentals/authentication/oauth-1-0a/api-key-and-secret", r"[0-9]{5}-[A-Za-z0-9]{5}",
           lambda secret: any(97 <= one <= 122 for one in secret) and any(65 <= one <= 90 for one in secret)),
    Format("tiktok token", "act. rft. clt.", r"[A-Za-z0-9]{40,80}(?:![0-9a-z.]{2,10})?", "https://developers.tiktok.com/doc/oauth-user-access-token-management/"),
    Format("pinterest token", "pina_ pinr_ pinc_", r"[A-Za-z0-9_-]{40,120}", "https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/"),
    Format("linkedin token", "AQ", r"[UVWX][A-Za-z0-9_-]{120,}", "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow", r"AQ[UVWX][A-Za-z0-9_-]{4}"),
    Format("linkedin secret", "WPL_AP1.", r"[A-Za-z0-9]{12,20}\.[A-Za-z0-9+/=]{4,12}", "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authentication"),
    Format("zoom secret", "", r"(?i:zoom)[^\r\n]{0,30}?(?i:secret|token)[^A-Za-z0-9]{1,5}([A-Za-z0-9]{32})", "https://developers.zoom.us/docs/internal-apps/", r"(?i:zoom)"),
    Format("sendbird or pusher key", "", r"(?i:sendbird|pusher)[^\r\n]{0,30}?\b([0-9a-f]{20,40})\b", "https://pusher.com/docs/channels/using_channels/auth-signatures/", r"(?i:sendbird|pusher)"),
    Format("ably key", "", r"[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{6}:[A-Za-z0-9_-]{43}", "https://ably.com/docs/auth/basic", r"\.[A-Za-z0-9_-]{6}:[A-Za-z0-9_-]"),
    Format("airship or braze key", "", r"(?i:braze|airship)[^\r\n]{0,30}?(" + _UUID + ")", "https://www.braze.com/docs/api/basics/", r"(?i:braze|airship)"),
    Format("zendesk token", "", r"(?i:zendesk)[^\r\n]{0,30}?\b([A-Za-z0-9]{40})\b", "https://developer.zendesk.com/api-reference/introduction/security-and-auth/", r"(?i:zendesk)"),
)  # fmt: skip
