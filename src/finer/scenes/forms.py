"""Forms that the extractor fills in: the things of a caption with their attributes, then the relations between them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Category = Literal["color", "material", "size", "shape", "pattern", "texture", "posture", "state", "outline", "part"]


class Form(BaseModel):
    """A form without further fields."""

    model_config = ConfigDict(extra="forbid")


class Quality(Form):
    """One attribute of a thing."""

    category: Category = Field(description="class of the attribute")
    value: str = Field(description="the bare value as the caption says it; of a part: the part, such as 'a long tail'")


class Thing(Form):
    """One thing, or several of one kind that the caption speaks of together."""

    id: str = Field(description="o1, o2, …")
    name: str = Field(description="noun as in the caption, without article, number or attributes")
    attributes: list[Quality] = Field(description="what the caption says of this thing; may be empty")


class Things(Form):
    """The first stage."""

    objects: list[Thing] = Field(description="what can be pointed at in the image, each once")


class Link(Form):
    """One relation."""

    subject: str = Field(description="id of a listed object")
    predicate: str = Field(description="begins with 'is' and ends before the object: 'is lying on'")
    object: str = Field(description="id of another listed object")


class Links(Form):
    """The second stage."""

    relations: list[Link] = Field(description="what the caption states between two listed objects; may be empty")
