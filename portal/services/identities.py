"""Finding documents by what names them at their source."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_

from portal.models import Document


def may_be(source_id: int, keys: Collection[tuple[str, str]]) -> ColumnElement[bool]:
    """The documents of a source with such resources and such image numbers.

    With both the index on the identity finds them; by image numbers alone SQLite goes through all
    documents of the source. Resources are few. Who has several has to look at the pairs.

    :param keys: resource and 影像编号
    """
    return and_(
        Document.data_source_id == source_id,
        Document.resource.in_({resource for resource, _ in keys}),
        Document.image_no.in_({image_no for _, image_no in keys}),
    )
