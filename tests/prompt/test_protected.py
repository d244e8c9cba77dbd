"""Rules of `never_send`: which code reads a variable, and which values it has."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import BaseModel, SecretStr

from mm_magics.prompt.protected import MOST_VALUES, Rule, table_columns, words_of, words_of_function

EMAILS = ["ana@example.org", "eva@example.org"]
COLUMNS: dict[str, list[Any]] = {"name": ["Ana", "Eva"], "email": EMAILS}


@pytest.mark.parametrize("text", ["", ".", "df.", "df..email", "df[", "df[0]", "df.email[", "two words"])
def test_a_rule_that_is_not_a_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a variable"):
        Rule.parse(text)


class Vault:
    __slots__ = ("email",)

    def __init__(self) -> None:
        self.email = EMAILS


@dataclasses.dataclass
class Customers:
    email: list[str]


class Customer(BaseModel):
    email: SecretStr


Point = namedtuple("Point", "email")

HOLDERS: dict[str, Any] = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas index": pd.DataFrame(COLUMNS).set_index("email"),
    "pandas levels": pd.DataFrame(COLUMNS).set_index(["name", "email"]),
    "pandas column levels": pd.DataFrame({("private", "email"): EMAILS, ("public", "name"): ["Ana", "Eva"]}),
    "pandas category": pd.DataFrame(COLUMNS).astype("category"),
    "pandas same name twice": pd.DataFrame([[each, each] for each in EMAILS], columns=["email", "email"]),
    "polars": pl.DataFrame(COLUMNS),
    "pyarrow": pa.table(COLUMNS),
    "dict": COLUMNS,
    "rows": [{"email": each} for each in EMAILS],
    "rows in rows": [[{"email": each}] for each in EMAILS],
    "object": SimpleNamespace(email=EMAILS),
    "slots": Vault(),
    "dataclass": Customers(EMAILS),
    "named tuple": Point(EMAILS),
    "secret": [Customer(email=SecretStr(each)) for each in EMAILS],
    "nested": {"email": {"work": EMAILS[:1], "home": [{"first": EMAILS[1]}]}},
    "bytes": {"email": [each.encode() for each in EMAILS]},
    "array": {"email": np.array(EMAILS)},
    "array of objects": {"email": np.array([EMAILS], dtype=object)},
    "column of lists": pd.DataFrame({"email": [[each] for each in EMAILS]}),
    "column of structs": pl.DataFrame({"email": [{"work": each} for each in EMAILS]}),
}


@pytest.mark.parametrize("rule", ["df.email", "df['email']", "*.email", "d?.e*"])
@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_the_values_are_found_in_every_kind_of_holder(holder: Any, rule: str) -> None:
    values, is_all = Rule.parse(rule).values({"df": holder, "other": 1})
    assert set(EMAILS) <= set(values)
    assert is_all
    assert "Ana" not in values


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (date(1990, 4, 12), {"1990-04-12"}),
        (datetime(1990, 4, 12), {"1990-04-12", "1990-04-12 00:00:00"}),
        (pd.Timestamp("1990-04-12"), {"1990-04-12"}),
        (Decimal("52431.75"), {"52431.75"}),
        (UUID(int=7), {str(UUID(int=7))}),
        (np.float64(52431.75), {52431.75}),
        (np.int64(12345678), {12345678}),
    ],
)
def test_plain_values_of_every_type_are_searched_for(value: Any, texts: set[object]) -> None:
    for holder in ({"x": value}, {"x": [value]}, SimpleNamespace(x=value)):
        assert texts <= set(Rule.parse("v.x").values({"v": holder})[0])


def test_values_of_modules_and_of_objects_that_fail_raise_nothing() -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __str__(self) -> str:
            raise RuntimeError

    assert Rule.parse("*.email").values({"x": Failing(), "pd": pd, "df": EMAILS})[0] == []
    assert Rule.parse("x").values({"x": Failing()})[0] == []


def test_a_variable_that_contains_itself_ends() -> None:
    loop: dict[str, Any] = {"email": EMAILS}
    loop["loop"] = loop
    assert set(Rule.parse("x.*").values({"x": loop})[0]) == set(EMAILS)


def test_objects_that_refer_to_each_other_are_read_once() -> None:
    nodes = [SimpleNamespace(name=f"node number {number}") for number in range(60)]
    for node in nodes:
        node.others, node.by_name = nodes, {each.name: each for each in nodes}
    values, is_all = Rule.parse("app").values({"app": nodes[0]})
    assert {node.name for node in nodes} <= set(values)
    assert is_all
    loop: list[Any] = []
    loop += [loop] * 50
    assert Rule.parse("loop.email").values({"loop": loop})[0] == []


def test_at_most_10_000_values_are_searched_for_and_the_user_can_know() -> None:
    df = pd.DataFrame({"email": [f"customer{number}@example.org" for number in range(MOST_VALUES + 1)]})
    values, is_all = Rule.parse("df.email").values({"df": df})
    assert len(values) == MOST_VALUES
    assert not is_all
    assert Rule.parse("df.email").values({"df": df[:-1]})[1]


READS = [
    "df.email",
    'df["email"]',
    "df[['name', 'email']]",
    "df.loc[:, 'email']",
    "df.rename(columns={'email': 'x'}).x",
    "[row['email'] for row in df.to_dict('records')]",
    "getattr(df, 'email')",
    "df.query('email == 1')",
    "f'{df.email}'",
    "globals()['df']['email']",
    "(lambda d=df: d.email)()",
    "import x\ndf.head()\nprint(df.email)",
    "%time df.email",
    "!echo {df.email}",
]


@pytest.mark.parametrize("source", READS)
def test_code_that_reads_a_column_is_recognized(source: str) -> None:
    for rule in ("df.email", "*.email", "df.*", "df", "d*.em*"):
        assert Rule.parse(rule).is_read_by(words_of(source)), rule


@pytest.mark.parametrize("source", ["df.name", "email", "orders.email", "df.shape  # email", "dfs.email"])
def test_other_code_is_not_refused(source: str) -> None:
    assert not Rule.parse("df.email").is_read_by(words_of(source))


def test_a_table_shows_which_columns_were_read() -> None:
    table = "2 rows × 2 columns (name: str)\n\n| name | email |\n| --- | :---: |\n| Ana | 1 |"
    assert table_columns(table) == ["name", "email"]
    assert Rule.parse("df.email").is_read_by(words_of("df.head()"), table_columns(table))


def test_functions_that_read_a_variable_are_recognized() -> None:
    df = pd.DataFrame(COLUMNS)

    def lookup(name: str) -> Any:
        return list(df[df.name == name]["email"])

    assert Rule.parse("df.email").is_read_by(words_of_function(lookup))
    assert words_of_function(len) == frozenset()
