"""Values as a person writes them, in files and on the command line: YAML, without the surprises of its version 1.1."""

import contextlib
import math
import re

import yaml


class _Yaml(yaml.SafeLoader):
    """YAML 1.2's scalars, numbers as Python reads them; YAML 1.1 has 010 = 8, 1:30 = 90, no = False, 1e-3 a string."""

    yaml_implicit_resolvers = {None: [("!plain", re.compile(""))]}
    words = {"": None, "~": None, "null": None, "true": True, "false": False}
    words |= {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}

    def plain(self, node):
        """The value of a scalar without quotes and tag."""
        if node.value.lower() in self.words:
            return self.words[node.value.lower()]
        for number in (lambda text: int(text, 0), int, float) if re.match(r"[-+]?\.?\d", node.value) else ():
            with contextlib.suppress(ValueError):
                return number(node.value)
        return node.value

    def mapping(self, node) -> dict:
        """As a dict.  Raises ConstructorError for a key that comes twice."""
        found, keys = self.construct_mapping(node, deep=True), [key.value for key, _ in node.value]
        if len(found) < len(keys):
            raise yaml.constructor.ConstructorError(f"{max(keys, key=keys.count)} stands there twice")
        return found


_Yaml.add_constructor("!plain", _Yaml.plain)
_Yaml.add_constructor("tag:yaml.org,2002:map", _Yaml.mapping)


def parse(text: str | bytes, where: str):
    """The value that `text` (bytes are UTF-8) means as YAML.  Raises ValueError, naming `where`."""
    try:
        return yaml.load(text, _Yaml)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{where} is no YAML in UTF-8: {error}") from error
