"""The only reader of the environment: what it promises."""

import re
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.settings import KNOWN, ROOT, TABLE, Process, Settings, variable_of


def test_an_empty_environment_puts_everything_under_one_home() -> None:
    settings = Settings.from_environment({"USER": "somebody"})
    assert settings.home == ROOT / ".trainyard"
    for path in (
        settings.production,
        settings.keys,
        settings.authority_keys,
        Path(settings.store),
        Path(settings.vault),
    ):
        assert settings.home in path.parents
    assert settings.ledger == f"sqlite:///{settings.home / 'ledger.db'}"


def test_a_misspelt_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeclarationError, match=r"TRAINYARD_HOEM.*TRAINYARD_HOME"):
        Settings.from_environment({"TRAINYARD_HOEM": "/srv"})


def test_what_only_tests_read_is_no_misspelling() -> None:
    Settings.from_environment({"TRAINYARD_TEST_POSTGRES": "postgresql://localhost"})


def test_every_known_setting_changes_something(tmp_path: Path) -> None:
    plain = Settings.from_environment({})
    for name in sorted(KNOWN):
        special = {
            "TRAINYARD_PLACEMENT": "kubernetes",
            "TRAINYARD_ACCELERATORS": "4",
            "TRAINYARD_CLASSES": "pii",
            "TRAINYARD_ENGINE": "spark://master:7077",
        }
        value = special.get(name, str(tmp_path / "elsewhere"))
        assert Settings.from_environment({name: value}) != plain, name
    with pytest.raises(DeclarationError, match="TRAINYARD_PLACEMENT"):
        Settings.from_environment({"TRAINYARD_PLACEMENT": "moon"})


def test_places_of_checkpoints_are_separated_by_commas_and_written_as_they_are_read(tmp_path: Path) -> None:
    given = {"TRAINYARD_CHECKPOINTS": f"{tmp_path / 'a'}, s3://bucket/b"}
    settings = Settings.from_environment(given)
    assert settings.checkpoints == (str(tmp_path / "a"), "s3://bucket/b")
    assert Settings.from_environment(settings.environment(Process.AUTHORITY)).checkpoints == settings.checkpoints
    with pytest.raises(DeclarationError, match="TRAINYARD_CHECKPOINTS names a folder or bucket at least"):
        Settings.from_environment({"TRAINYARD_CHECKPOINTS": " , "})


@pytest.mark.parametrize("text", ["0", "-1", "four", "1.5", "²"])
def test_what_is_no_number_of_accelerators_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="TRAINYARD_ACCELERATORS is a whole number above 0"):
        Settings.from_environment({"TRAINYARD_ACCELERATORS": text})


@pytest.mark.parametrize("text", ["spark", "duckdb", "http://host:7077", "local-cluster[2]", "spark://"])
def test_what_is_no_address_of_a_spark_cluster_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="TRAINYARD_ENGINE is the address of a Spark cluster"):
        Settings.from_environment({"TRAINYARD_ENGINE": text})


@pytest.mark.parametrize(
    "text",
    [
        "public",
        "PII = secret",
        "a b",
        "=internal",
        "Restricted=public",
        "pii=internal=x",
        "pii,PII=internal",
        "pii,pii",
    ],
)
def test_a_word_of_classification_that_counts_as_none_of_ours_or_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="TRAINYARD_CLASSES adds words"):
        Settings.from_environment({"TRAINYARD_CLASSES": text})


def test_a_word_of_classification_counts_as_restricted_unless_it_says_otherwise_and_is_handed_on_as_it_is() -> None:
    settings = Settings.from_environment({"TRAINYARD_CLASSES": "PII, partner = internal,"})
    assert settings.classes == (("pii", "restricted"), ("partner", "internal"))
    assert Settings.from_environment(settings.environment()).classes == settings.classes


def test_paths_are_absolute_whatever_was_given() -> None:
    assert Settings.from_environment({"TRAINYARD_HOME": "yard"}).home.is_absolute()
    assert Settings.from_environment({"TRAINYARD_KEYS": "~/keys"}).keys == Path.home() / "keys"


def test_nothing_is_read_on_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", "/first")
    first = Settings.from_environment()
    monkeypatch.setenv("TRAINYARD_HOME", "/second")
    assert (first.home, Settings.from_environment().home) == (Path("/first"), Path("/second"))


@pytest.mark.parametrize("name", ["TRAINYARD_STORE", "TRAINYARD_VAULT", "TRAINYARD_LINEAGE"])
def test_a_relative_path_means_the_same_in_every_process(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    field = name.removeprefix("TRAINYARD_").lower()
    assert getattr(Settings.from_environment({name: "here/it"}), field) == str(tmp_path / "here" / "it")
    assert getattr(Settings.from_environment({name: "~/it"}), field) == str(Path.home() / "it")


def test_an_address_stays_as_it_was_given() -> None:
    given = {"TRAINYARD_VAULT": "s3://bucket/vault", "TRAINYARD_LINEAGE": "https://host/api"}
    settings = Settings.from_environment(given)
    assert (settings.vault, settings.lineage) == ("s3://bucket/vault", "https://host/api")
    with pytest.raises(DeclarationError, match="TRAINYARD_LINEAGE is a file"):
        Settings.from_environment({"TRAINYARD_LINEAGE": "file:///srv/lineage.jsonl"})


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_an_empty_variable_is_an_unset_one(name: str) -> None:
    assert Settings.from_environment({name: ""}) == Settings.from_environment({})


def test_what_a_process_is_told_makes_the_same_settings_of_it(tmp_path: Path) -> None:
    given = {variable: str(tmp_path / "there") for variable in KNOWN} | {
        "TRAINYARD_PLACEMENT": "kubernetes",
        "TRAINYARD_ACCELERATORS": "4",
        "TRAINYARD_CLASSES": "pii, partner=internal",
        "TRAINYARD_ENGINE": "spark://master:7077",
    }
    settings = Settings.from_environment(given)
    assert Settings.from_environment(settings.environment()) == settings
    for process in Process:
        told = settings.environment(process)
        made = Settings.from_environment(told)
        assert all(getattr(made, name) == getattr(settings, name) for name, row in TABLE.items() if process in row.told)
        assert told.keys() == {variable_of(name) for name, row in TABLE.items() if process in row.told}


@pytest.mark.parametrize("name", TABLE)
def test_the_documented_default_of_a_setting_is_its_own(name: str) -> None:
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))]
    row = re.compile(rf"^\| `{variable_of(name)}` \|.*\| ([^|]*) \|$", re.MULTILINE)
    told = row.findall("\n".join(texts))
    default = None if name == "user" else TABLE[name].default(Path("HOME"))
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        default = default.relative_to(ROOT)
    if default:
        assert f"`{TABLE[name].write(default)}`" in told
    else:
        assert any(each.startswith(("none", "what the pool has", "the operating system's user")) for each in told)
