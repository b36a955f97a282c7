"""A teacher behind any server that speaks the OpenAI chat protocol: vLLM, llama.cpp, `transformers serve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mezzofanti.corpus.recipe import OpenAISettings
from mezzofanti.corpus.teachers.base import Reply, Request
from mezzofanti.errors import ConfigurationError, TeacherError, require

__all__ = ["OpenAITeacher"]

# after so many requests in a row without one good reply the server, not the request, is at fault
_PATIENCE = 5
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OpenAITeacher:
    """Asks a chat model. The key comes from OPENAI_API_KEY, read by the client; a server on this machine needs none.

    The client repeats a call after 408, 409, 429 (honouring Retry-After), 5xx, a timeout or a lost connection,
    `settings.retries` times with growing pauses. What still fails is returned as a failed reply; `TeacherError`
    where the server refuses the key or the model, cannot be reached, or fails five requests in a row.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        require("corpus", "openai")
        self.settings = settings
        self.name = settings.model
        self.concurrency = settings.concurrency
        self.steadfast = settings.temperature == 0
        # the address is no part of the identity: the same model on another port gives the same lesson
        self.identity: Mapping[str, Any] = {
            "type": "openai",
            "model": settings.model,
            "temperature": settings.temperature,
            "extra": settings.extra,
        }
        self._client = _client(settings)
        self._failures = 0

    async def ask(self, request: Request) -> Reply:
        """Send one request. A failed reply says why in its text."""
        import openai

        try:
            completion = await self._client.chat.completions.create(
                model=self.settings.model,
                messages=[message.model_dump() for message in request.messages],
                max_tokens=request.tokens,
                temperature=self.settings.temperature,
                seed=request.seed,
                extra_body=self.settings.extra or None,
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise self._fatal(error) from None
        except openai.APITimeoutError:
            return self._failed(f"no reply within {self.settings.timeout:g} s")
        except openai.APIConnectionError as error:
            raise self._fatal(error.__cause__ or error) from None
        except (openai.OpenAIError, ValueError) as error:
            return self._failed(_short(error))
        return self._read(completion)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _read(self, completion: Any) -> Reply:
        choices = getattr(completion, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            return self._failed("the reply does not follow the OpenAI protocol")
        self._failures = 0
        usage = getattr(completion, "usage", None)
        return Reply(
            text=choices[0].message.content or "",
            finish="length" if choices[0].finish_reason == "length" else "stop",
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            reply_tokens=getattr(usage, "completion_tokens", 0) or 0,
        )

    def _failed(self, why: str) -> Reply:
        self._failures += 1
        if self._failures >= _PATIENCE:
            raise self._fatal(f"{_PATIENCE} requests in a row failed, the last one: {why}")
        return Reply(text=why, finish="failed")

    def _fatal(self, why: object) -> TeacherError:
        return TeacherError(
            f"The teacher {self.name!r} at {self.settings.base_url} does not answer ({_short(why)}).",
            cure="See that the server runs and knows that model; the same command then goes on where it stopped.",
        )


def _client(settings: OpenAISettings) -> Any:
    import openai

    options: dict[str, Any] = {
        "base_url": settings.base_url,
        "timeout": settings.timeout,
        "max_retries": settings.retries,
    }
    if urlsplit(settings.base_url).hostname in _LOOPBACK:
        # a proxy cannot reach this machine's own server
        options["http_client"] = openai.DefaultAsyncHttpxClient(trust_env=False)
    try:
        return openai.AsyncOpenAI(**options)
    except openai.OpenAIError:
        if "http_client" in options:
            return openai.AsyncOpenAI(api_key="none-needed", **options)
        raise ConfigurationError(
            f"{settings.base_url} needs a key and the environment has none.", cure="Set OPENAI_API_KEY."
        ) from None


def _short(error: object) -> str:
    """Say what went wrong in one line; what the server itself said is added where the client leaves it out."""
    said = str(error)
    if (body := getattr(error, "body", None)) and str(body) not in said:
        said = f"{said}: {body}"
    return " ".join(said.split())[:300] or type(error).__name__
