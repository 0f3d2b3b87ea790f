"""The service as Ray Serve runs it: what a config of Serve may say of it."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
from pydantic import ValidationError

from search.service import ServiceSettings
from search.service.deployment import Arguments, app


def test_the_arguments_are_settings_of_the_service():
    settings = {field.name for field in fields(ServiceSettings)} | {"exports"}
    assert {*Arguments.model_fields} <= settings
    (argument,) = inspect.signature(app).parameters.values()
    assert argument.annotation is Arguments  # as a class: only then does Serve check `args`


def test_a_replica_serves_for_the_cluster_that_it_is_on_unless_the_config_names_one(tmp_path):
    given = {"root": str(tmp_path), "data": [str(tmp_path)], "rate": 5}
    settings = Arguments.model_validate(given).on("10.0.0.1:6379")
    expected = ServiceSettings(tmp_path, "10.0.0.1:6379", (tmp_path,), rate=5.0)
    assert settings == expected
    named = Arguments.model_validate({**given, "cluster": "http://head:8265"})
    assert named.on("10.0.0.1:6379").cluster == "http://head:8265"


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({}, "root", "required"),
        ({"root": "shared"}, "root", "absolute path"),
        ({"root": "/r", "data": ["/d", "models"]}, "data.1", "'models'"),
        ({"root": "/r", "rate": 0}, "rate", "greater than or equal to 0.1"),
        ({"root": "/r", "allow_hubs": True}, "allow_hubs", "not permitted"),
    ],
)
def test_a_wrong_argument_is_named(given, field, message):
    with pytest.raises(ValidationError) as raised:
        Arguments.model_validate(given)
    (error,) = raised.value.errors()
    assert ".".join(map(str, error["loc"])) == field
    assert message in f"{error['msg']} {error['type']}"


def test_a_root_in_an_object_store_has_its_exports_in_a_folder(tmp_path):
    given = {"root": "s3://bucket/team", "exports": str(tmp_path)}
    settings = Arguments.model_validate(given).on("10.0.0.1:6379")
    assert (settings.root, settings.exports) == ("s3://bucket/team", tmp_path)


def test_a_folder_that_is_missing_is_named(tmp_path):
    arguments = Arguments(root=str(tmp_path), data=[tmp_path / "gone"])
    with pytest.raises(ValueError, match=r"data: .*gone is no directory"):
        app(arguments)
