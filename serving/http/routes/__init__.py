"""Routes of the service, a file each."""

from starlette.convertors import PathConvertor, register_url_convertor


class _IdConvertor(PathConvertor):
    """Id with any characters: a line break, too, which a `path` does not have."""

    regex = r"[\s\S]*"


register_url_convertor("id", _IdConvertor())
