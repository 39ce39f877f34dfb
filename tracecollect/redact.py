"""Secrets are cut out before anything is stored: columns in, columns out, each distinct text looked at once."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracecollect.errors import SettingsError

REDACTED = "[redacted]"
# An Arrow column of a type that only the table knows.
Column: TypeAlias = Any

_ASSIGNABLE = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|client_secret|(?:access_|refresh_|id_|auth_)?token|api_?key|sig|signature)"
)
_SECRET_KEY = re.compile(
    r"(?:^|[._-])(?:authorization|proxy[_-]authorization|cookie|set[_-]cookie|x[_-]api[_-]key|api[_-]?key"
    r"|x[_-]auth[_-]token|x[_-]amz[_-]security[_-]token|password|passwd|secret|client[_-]secret"
    r"|(?:access|refresh|auth|session)[_-]token)$",
    re.IGNORECASE,
)
# What may hold a secret at all, in RE2, over whole columns; the rules below then look closely.
_SUSPECT = r"(?i:://[^/\s]*@|pass|pwd|secret|token|api_?key|[?&;]sig)|\d(?:[ -]?\d){12}"
_STATEMENTS = ("db.query.text", "db.statement", "sql.query")
# Quoted and dollar-quoted texts and numbers; not parameters ($1) and not the digits of names.
_LITERAL = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)", re.DOTALL)

_USERINFO = re.compile(r"(://[^/\s:@?#]*:)[^/\s]+(?=@)")
_ASSIGNED = re.compile(
    rf"""(?<![a-z0-9])({_ASSIGNABLE}\s?=\s?)(?!\$\d|\?|:\w|%s|%\()('[^']*'|"[^"]*"|[^\s;&,#'")]+)""", re.IGNORECASE
)
_CARD = re.compile(r"(?<![\w.+-])[2-6](?:[ -]?\d){12,18}(?![\w-]|\.\d)")
# Lengths and first digits that issuers use; without them every tenth long number would pass for a card.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class Redactor:
    """Cuts secrets out of tables and counts what was cut, by rule. Safe from any thread.

    `keys` are more patterns of attribute keys whose values are secret, `patterns` of what is secret in any text
    (both in the syntax that RE2 and Python share); `literals`: the constants of statements are cut, too.
    """

    def __init__(self, *, keys: Sequence[str] = (), patterns: Sequence[str] = (), literals: bool = False) -> None:
        """Raises `SettingsError` for a pattern that cannot be used."""
        self._lock = threading.Lock()
        self._cut: Counter[str] = Counter()
        self._literals = literals
        self._own = tuple(_usable(one) for one in patterns)
        self._secret_keys = (_SECRET_KEY, *(_usable(one, re.IGNORECASE) for one in keys))
        self._suspect = "|".join((f"(?:{_SUSPECT})", *(f"(?:{one})" for one in patterns)))

    def __call__(self, table: pa.Table) -> pa.Table:
        """The same table without secrets: attribute values, bodies, messages and names."""
        for number, field in enumerate(table.schema):
            cleaner = self._cleaner(field.type)
            if cleaner is not None and field.name not in _IDS:
                chunks = [cleaner(chunk) for chunk in table.column(number).chunks]
                table = table.set_column(number, field, pa.chunked_array(chunks, field.type))
        return table

    def counters(self) -> Mapping[str, int]:
        """How many values were changed: by rule `key`, `password`, `card`, `own` or `literal`."""
        with self._lock:
            return dict(self._cut)

    def _cleaner(self, kind: Column) -> Callable[[Column], Column] | None:
        if pa.types.is_map(kind):
            return self._map
        if pa.types.is_list(kind) and (inner := self._cleaner(kind.value_type)):
            return lambda lists: pa.ListArray.from_arrays(lists.offsets, inner(lists.values))
        if pa.types.is_string(kind):
            return lambda texts: self._texts(pc.dictionary_encode(texts)).cast(pa.string())
        if pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type):
            return self._texts
        return None

    def _map(self, maps: Column) -> Column:
        keys, items = maps.keys, maps.items
        if not len(items):
            return maps
        as_words = pa.types.is_dictionary(items.type)
        words = keys if pa.types.is_dictionary(keys.type) else pc.dictionary_encode(keys)
        found = items if as_words else pc.dictionary_encode(items)
        if self._literals:
            found = self._without_literals(words, found)
        cleaned = self._by_key(words, self._texts(found))
        return pa.MapArray.from_arrays(maps.offsets, keys, cleaned if as_words else cleaned.cast(pa.string()))

    def _by_key(self, keys: Column, items: Column) -> Column:
        secret = [number for number, word in enumerate(keys.dictionary.to_pylist()) if self._is_secret(word)]
        if not secret:
            return items
        hit: npt.NDArray[np.bool_] = np.isin(keys.indices.to_numpy(), secret)
        self._count("key", int(hit.sum()))
        codes = np.where(hit, len(items.dictionary), items.indices.to_numpy()).astype(np.int32)
        dictionary = pa.concat_arrays([items.dictionary, pa.array([REDACTED])])
        return pa.DictionaryArray.from_arrays(codes, dictionary)

    def _is_secret(self, key: str) -> bool:
        return any(pattern.search(key) for pattern in self._secret_keys)

    def _without_literals(self, keys: Column, items: Column) -> Column:
        statements = [number for number, word in enumerate(keys.dictionary.to_pylist()) if word in _STATEMENTS]
        hit: npt.NDArray[np.bool_] = np.isin(keys.indices.to_numpy(), statements)
        codes = items.indices.to_numpy()
        distinct, where = np.unique(codes[hit], return_inverse=True)
        texts = items.dictionary.take(pa.array(distinct)).to_pylist()
        bare = [_LITERAL.sub("?", text) for text in texts]
        changed = np.array([one != other for one, other in zip(bare, texts, strict=True)], np.bool_)
        if not changed.any():
            return items
        self._count("literal", int(changed[where].sum()))
        codes = codes.copy()
        codes[hit] = len(items.dictionary) + where
        return pa.DictionaryArray.from_arrays(codes, pa.concat_arrays([items.dictionary, pa.array(bare, pa.string())]))

    def _texts(self, column: Column) -> Column:
        words = column.dictionary
        suspects = np.flatnonzero(pc.match_substring_regex(words, self._suspect).to_numpy(zero_copy_only=False))
        if not len(suspects):
            return column
        place = np.arange(len(words))
        cleaned: list[str] = []
        for number, word in zip(suspects.tolist(), words.take(pa.array(suspects)).to_pylist(), strict=True):
            clean, rules = scrub(word, self._own)
            if rules:
                place[number] = len(words) + len(cleaned)
                cleaned.append(clean)
                times = int(np.count_nonzero(column.indices.to_numpy() == number))
                for rule in rules:
                    self._count(rule, times)
        if not cleaned:
            return column
        everything = pa.concat_arrays([words, pa.array(cleaned, pa.string())])
        return pa.DictionaryArray.from_arrays(column.indices, everything.take(pa.array(place)))

    def _count(self, rule: str, times: int) -> None:
        with self._lock:
            self._cut[rule] += times


# Ids are hex and never hold a secret; looking at them would cost more than everything else together.
_IDS = {"TraceId", "SpanId", "ParentSpanId", "Links.TraceId", "Links.SpanId", "Exemplars.TraceId", "Exemplars.SpanId"}


def _usable(pattern: str, flags: int = 0) -> re.Pattern[str]:
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
        return re.compile(pattern, flags)
    except (pa.ArrowException, re.error) as error:
        raise SettingsError(
            f"{pattern!r} is no pattern that can be searched for: {error}",
            hint="redact_keys and redact_patterns take regular expressions without look-around and back references",
        ) from error


def scrub(text: str, own: Sequence[re.Pattern[str]] = ()) -> tuple[str, tuple[str, ...]]:
    """One text without secrets and without what `own` patterns find, and the rules that changed it."""
    rest = text
    for pattern in own:
        rest = pattern.sub(REDACTED, rest)
    clean, rules = _scrub(rest)
    return clean, rules if rest == text else ("own", *rules)


def _scrub(text: str) -> tuple[str, tuple[str, ...]]:
    without = _ASSIGNED.sub(rf"\1{REDACTED}", _USERINFO.sub(rf"\1{REDACTED}", text))
    rules = () if without == text else ("password",)
    clean = _CARD.sub(_card, without)
    return clean, rules if clean == without else (*rules, "card")


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return REDACTED if _ISSUED.fullmatch(digits) and _luhn(digits) else found[0]


def _luhn(digits: str) -> bool:
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[n] for n in numbers[1::2])) % 10 == 0
