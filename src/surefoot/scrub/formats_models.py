"""Secrets of those who run models, and of the tools around them."""

from __future__ import annotations

from .format import Format, mixed, no_words

__all__ = ["FORMATS"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

FORMATS = (
    Format(
        "anthropic key", "sk-ant-", r"[a-z]{2,10}[0-9]{2}-[A-Za-z0-9_-]{20,}",
        "https://docs.anthropic.com/en/api/overview",
    ),
    Format(
        "openai key", "sk-proj- sk-svcacct- sk-admin- sk-None-", r"[A-Za-z0-9_-]{20,}",
        "https://platform.openai.com/docs/api-reference/authentication",
    ),
    Format(
        "openai user key", "sk-", r"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
        "https://platform.openai.com/docs/api-reference/authentication",
    ),
    Format(
        "openai webhook secret", "whsec_", r"[A-Za-z0-9+/=_-]{24,100}",
        "https://platform.openai.com/docs/guides/webhooks",
    ),
    Format("openai ephemeral key", "ek_", r"[0-9a-f]{32}", "https://platform.openai.com/docs/api-reference/realtime-sessions"),
    Format(
        "openrouter key", "sk-or-", r"v[0-9]-[0-9a-f]{64}",
        "https://openrouter.ai/docs/api-reference/authentication",
    ),
    Format(
        "langfuse key", "sk-lf-", _UUID,
        "https://langfuse.com/docs/api-and-data-platform/features/public-api",
    ),
    Format(
        "helicone key", "sk-helicone- pk-helicone-", r"[a-z0-9-]{20,80}",
        "https://docs.helicone.ai/helicone-headers/helicone-auth",
    ),
    Format(
        "litellm key", "sk-litellm-", r"[A-Za-z0-9_-]{16,100}",
        "https://docs.litellm.ai/docs/proxy/virtual_keys",
    ),
    Format(
        "deepseek key", "sk-", r"[0-9a-f]{32}", "https://api-docs.deepseek.com/",
    ),
    # Stability, Moonshot, DashScope, LiteLLM and many more begin with `sk-`.
    Format(
        "api key", "sk-", r"[A-Za-z0-9][A-Za-z0-9_-]{18,}[A-Za-z0-9_]",
        "https://platform.stability.ai/docs/api-reference", check=no_words,
    ),
    # Tokens of Novita, Checkout, WorkOS, Clerk and many more begin with `sk_`.
    Format(
        "secret key", "sk_", r"(?:live_|test_|prod_|dev_)?[A-Za-z0-9]{20,100}",
        "https://docs.stripe.com/keys", check=mixed,
    ),
    Format("groq key", "gsk_", r"[A-Za-z0-9]{20,64}", "https://console.groq.com/docs/api-keys"),
    Format("xai key", "xai-", r"[A-Za-z0-9_-]{40,120}", "https://docs.x.ai/docs/overview"),
    Format(
        "xai management key", "xai-token-", r"[A-Za-z0-9_-]{40,120}",
        "https://docs.x.ai/docs/management-api",
    ),
    Format(
        "replicate token", "r8_", r"[A-Za-z0-9_-]{37}(?:[A-Za-z0-9_-]{0,20})",
        "https://replicate.com/docs/topics/security/api-tokens",
    ),
    Format(
        "perplexity key", "pplx-", r"[A-Za-z0-9]{40,64}",
        "https://docs.perplexity.ai/guides/getting-started",
    ),
    Format(
        "nvidia key", "nvapi-", r"[A-Za-z0-9_-]{40,100}",
        "https://docs.nvidia.com/ngc/gpu-cloud/ngc-user-guide/index.html",
    ),
    Format("fireworks key", "fw_", r"[A-Za-z0-9]{20,40}", "https://docs.fireworks.ai/api-reference", check=mixed),
    Format(
        "together key", "tgp_v1_", r"[A-Za-z0-9_-]{40,64}", "https://docs.together.ai/docs/api-keys-authentication",
    ),
    Format(
        "cerebras key", "csk-", r"[A-Za-z0-9]{40,64}",
        "https://inference-docs.cerebras.ai/quickstart",
    ),
    Format("jina key", "jina_", r"[A-Za-z0-9_-]{50,70}", "https://jina.ai/api-dashboard/"),
    Format(
        "voyage key", "pa-", r"[A-Za-z0-9_-]{40,50}",
        "https://docs.voyageai.com/docs/api-key-and-installation",
    ),
    Format(
        "hugging face token", "hf_", r"[A-Za-z0-9]{30,45}",
        "https://huggingface.co/docs/hub/security-tokens",
    ),
    Format(
        "hugging face organization token", "api_org_", r"[A-Za-z0-9]{30,45}",
        "https://huggingface.co/docs/hub/security-tokens",
    ),
    Format(
        "elevenlabs key", "sk_", r"[0-9a-f]{48}",
        "https://elevenlabs.io/docs/api-reference/authentication",
    ),
    Format("cartesia key", "sk_car_", r"[A-Za-z0-9]{20,40}", "https://docs.cartesia.ai/"),
    Format(
        "pinecone key", "pcsk_", r"[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,70}",
        "https://docs.pinecone.io/guides/projects/manage-api-keys",
    ),
    Format(
        "langsmith key", "lsv2_pt_ lsv2_sk_", r"[0-9a-f]{32}_[0-9a-f]{10}",
        "https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key",
    ),
    Format(
        "langsmith legacy key", "ls__", r"[0-9a-f]{32}",
        "https://docs.smith.langchain.com/",
    ),
    Format(
        "llamacloud key", "llx-", r"[A-Za-z0-9]{40,64}",
        "https://docs.cloud.llamaindex.ai/api_key",
    ),
    Format(
        "weights and biases key", "wandb_v1_", r"[A-Za-z0-9_-]{40,120}",
        "https://docs.wandb.ai/support/find_api_key/",
    ),
    Format(
        "tavily key", "tvly-", r"(?:dev-|prod-)?[A-Za-z0-9_-]{24,64}",
        "https://docs.tavily.com/documentation/api-reference/introduction",
    ),
    Format("firecrawl key", "fc-", r"[0-9a-f]{32}", "https://docs.firecrawl.dev/api-reference/introduction"),
    Format(
        "brave search key", "BSA", r"[A-Za-z0-9_-]{28}",
        "https://api-dashboard.search.brave.com/app/documentation/web-search/get-started",
    ),
    Format("e2b key", "e2b_", r"[0-9a-f]{40}", "https://e2b.dev/docs/api-key"),
    Format("modal token", "ak- as- wk- ws-", r"[A-Za-z0-9]{22}", "https://modal.com/docs/reference/modal.config", check=mixed),
    Format("runpod key", "rpa_", r"[A-Za-z0-9]{40,64}", "https://docs.runpod.io/get-started/api-keys"),
    Format(
        "lambda key", "", r"secret_[A-Za-z0-9-]{1,40}_[0-9a-f]{32}\.[A-Za-z0-9]{32}",
        "https://docs.lambda.ai/public-cloud/cloud-api/", r"secret_[A-Za-z0-9-]+_[0-9a-f]{8}",
    ),
    Format("anyscale key", "esecret_ aph0_", r"[A-Za-z0-9_-]{24,80}", "https://docs.anyscale.com/"),
    Format(
        "databricks token", "dapi", r"[0-9a-f]{32}(?:-[0-9])?",
        "https://docs.databricks.com/aws/en/dev-tools/auth/pat",
    ),
    Format(
        "databricks secret", "dose", r"[0-9a-f]{32}",
        "https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m",
    ),
    Format(
        "deepl key", "", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:fx",
        "https://developers.deepl.com/docs/getting-started/auth", r"[0-9a-f]:fx",
    ),
    Format("novita key", "sk_", r"[A-Za-z0-9_-]{43}", "https://novita.ai/docs/guides/quickstart"),
    Format("mem0 key", "m0-", r"[A-Za-z0-9]{40}", "https://docs.mem0.ai/platform/quickstart"),
    Format("browserbase key", "bb_live_ bb_test_", r"[A-Za-z0-9_-]{20,40}", "https://docs.browserbase.com/"),
    Format("chroma key", "ck-", r"[A-Za-z0-9]{40,50}", "https://docs.trychroma.com/cloud/getting-started"),
    Format(
        "bedrock key", "ABSK", r"[A-Za-z0-9+/]{100,}={0,2}",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html",
    ),
    Format(
        "bedrock short-term key", "bedrock-api-key-", r"[A-Za-z0-9+/=_-]{60,}",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html",
    ),
    Format(
        "azure ai key", "", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,30}",
        "https://learn.microsoft.com/en-us/purview/sit-defn-azure-cognitive-service-key",
        "JQQJ99",
    ),
    Format("vercel ai gateway key", "vck_", r"[A-Za-z0-9]{24,80}", "https://vercel.com/docs/ai-gateway"),
    Format("portkey key", "pk-live-", r"[A-Za-z0-9+/=_-]{20,60}", "https://portkey.ai/docs"),
    Format("apify token", "apify_api_", r"[A-Za-z0-9]{30,50}", "https://docs.apify.com/platform/integrations/api"),
    Format("exa key", "", r"(?i:\bexa)[^\r\n]{0,20}?(" + _UUID + ")",
           "https://docs.exa.ai/reference/getting-started", r"(?i:\bexa)(?:[^a-z]|ai|_)"),
    Format("scale ai key", "live_ test_", r"[0-9a-f]{32}", "https://docs.scale.com/reference/authentication", check=mixed),
    Format("roboflow key", "rf_", r"[A-Za-z0-9]{20,40}", "https://docs.roboflow.com/api-reference/authentication", check=mixed),
    Format("zep key", "z_", r"[A-Za-z0-9]{20,}\.[A-Za-z0-9_-]{20,}\.?[A-Za-z0-9_-]*", "https://help.getzep.com/quickstart", check=mixed),
    Format("continue key", "con-", r"[0-9a-f]{64}", "https://docs.continue.dev/"),
    Format("cursor key", "key_", r"[0-9a-f]{64}", "https://docs.cursor.com/en/account/teams/admin-api"),
)  # fmt: skip
