import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.local.deployed")
    config.pluginmanager.import_plugin("tests.browser.browsing")
