"""Settings of language models: where they are asked, what they cost, which role each has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from finer.config.tuning import Name, Section

RoleName = Literal["extractor", "proposer", "phraser", "editor", "judge"]
Price = Annotated[float, Field(ge=0.0)]
_ACCESS = frozenset({"base_url", "key", "concurrency", "timeout", "attempts"})  # of a back end: no reply depends on it


def shown_address(address: str) -> str:
    """Return an address without user name and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class Backend(Section):
    """A place where models are asked."""

    kind: Literal["http", "vllm", "transformers"] = Field(
        description="http: a server that speaks OpenAI's protocol; vllm: in the job's own process, on its GPUs; "
        "transformers: in the job's own process"
    )
    base_url: str | None = Field(None, description="http: address up to and with /v1")
    key: str | None = Field(None, description="http: environment variable that holds the API key; null: none is needed")
    concurrency: int = Field(8, ge=1, description="http: requests at once")
    timeout: float = Field(120.0, gt=0, description="http: seconds before a request counts as lost")
    attempts: int = Field(6, ge=1, description="http: tries of a request, with growing random pauses between")
    structured: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema",
        description="how a reply is held to its form; none: by the prompt alone. It is checked in any case",
    )
    options: dict[str, Any] = Field({}, description="vllm: further arguments of its engine")

    @property
    def held(self) -> Literal["json_schema", "json_object", "none"]:
        """How a reply is held to its form: plain generation in process cannot do it."""
        return "none" if self.kind == "transformers" else self.structured

    @model_validator(mode="after")
    def _address(self) -> Backend:
        if (self.kind == "http") != (self.base_url is not None):
            raise ValueError("base_url belongs to kind: http, and to no other")
        if self.options.get("trust_remote_code"):
            raise ValueError("options.trust_remote_code: code that comes with weights is never run")
        return self


class LanguageModel(Section):
    """A model at a back end."""

    backend: Name = Field(description="one of `chat.backends`")
    model: str = Field(description="its name there: of an API, of a hub repository, or a directory")
    revision: str | None = Field(None, description="version or commit, recorded with every reply")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("bfloat16", description="vllm, transformers: precision")
    device: str = Field("auto", description="transformers: torch device, or auto")
    price_in: Price = Field(0.0, description="money for a million tokens read")
    price_out: Price = Field(0.0, description="money for a million tokens written")
    logprobs: bool = Field(False, description="whether log-probabilities are offered")
    options: dict[str, Any] = Field(
        {},
        description="http: further fields of each request, null leaves one out; vllm, transformers: arguments of the "
        "chat template. Part of what a reply is found again by",
    )


class Role(Section):
    """Who takes a role, and how it is asked."""

    model: Name = Field(description="one of `chat.models`")
    temperature: float = Field(0.0, ge=0.0)
    max_tokens: int = Field(2048, ge=1, description="longest reply")
    repairs: int = Field(2, ge=0, description="how often an invalid reply is sent back with its error")
    unanswered: Literal["stop", "count"] = Field(
        "stop", description="a request that no attempt got an answer to: stop (a rerun asks it again), or count it"
    )


class RoleSettings(Section):
    """All that a role's jobs need to ask its model."""

    role: RoleName
    name: str  # of the model in the configuration
    settings: Role
    model: LanguageModel
    backend: Backend
    budget: Price | None
    cache: str

    @classmethod
    def join(cls, role: Mapping[str, Any], access: Mapping[str, Any]) -> RoleSettings:
        """Put together what ``Chat.role`` and ``Chat.access`` return."""
        place = access["backends"][role["model"]["backend"]]
        whole = {**role, "backend": {**role["backend"], **place}}
        return cls.model_validate({**whole, "budget": access["budget"], "cache": access["cache"]})


class Chat(Section):
    """Language models by API or in the job's own process."""

    backends: dict[Name, Backend] = Field({}, description="where models are asked")
    models: dict[Name, LanguageModel] = Field({}, description="the language models, and MLLMs by API")
    roles: dict[RoleName, Role] = Field({}, description="who takes each role that is set to `llm` elsewhere")
    budget: Price | None = Field(
        None, description="money that all jobs together may spend; at the limit they stop and can be resumed"
    )
    cache: str = Field(
        "{results}/chat", description="folder of all requests and replies: what is there is not asked again, or paid"
    )

    def access(self, cache: str) -> dict[str, Any]:
        """Return where and how back ends are reached, the budget and the cache: no reply depends on it."""
        backends = {name: entry.model_dump(mode="json", include=set(_ACCESS)) for name, entry in self.backends.items()}
        return {"budget": self.budget, "cache": cache, "backends": backends}

    def role(self, name: RoleName) -> dict[str, Any]:
        """Return what the replies to a role depend on; together with ``access`` it makes ``RoleSettings``."""
        role = self.roles[name]
        model = self.models[role.model]
        backend = self.backends[model.backend].model_dump(mode="json", exclude=set(_ACCESS))
        parts = {"settings": role.model_dump(mode="json"), "model": model.model_dump(mode="json"), "backend": backend}
        return {"role": name, "name": role.model, **parts}

    @model_validator(mode="after")
    def _known(self) -> Chat:
        for name, model in self.models.items():
            if model.backend not in self.backends:
                raise ValueError(f"models.{name}.backend '{model.backend}' is not one of `chat.backends`")
        for name, role in self.roles.items():
            if role.model not in self.models:
                raise ValueError(f"roles.{name}.model '{role.model}' is not one of `chat.models`")
            if role.temperature and self.backends[self.models[role.model].backend].kind == "transformers":
                raise ValueError(f"roles.{name}.temperature: in process (transformers) a model replies greedily; use 0")
        return self
