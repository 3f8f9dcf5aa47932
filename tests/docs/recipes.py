"""The recipes for the vendor's helper libraries in other languages, run by `make recipes`.

They are no part of the test suite, because they need compilers and packages of other languages.
Java and Go get their packages themselves. PHP and Ruby need the sources of a release, as there is
no other way without their package managers: `TWILIO_PHP` and `TWILIO_RUBY` name the directories.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from support.server import RunningServer
from support.snippets import collect

JAVA = "com.twilio.sdk:twilio:13.0.1"
GO = "github.com/twilio/twilio-go@v1.31.0"

JAVA_PROGRAM = """
import com.twilio.exception.ApiException;
import com.twilio.http.*;
import com.twilio.rest.sync.v1.service.Document;
import java.util.Map;

public class Recipe {{
  public static void main(String[] arguments) {{
    String account = System.getenv("ACCOUNT"), user = account, password = System.getenv("PASSWORD");
{statements}
  }}
}}

{declarations}
"""

GO_PROGRAM = """
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	sync "github.com/twilio/twilio-go/rest/sync/v1"
)

{declarations}

func main() {{
	user, password, account := os.Getenv("ACCOUNT"), os.Getenv("PASSWORD"), os.Getenv("ACCOUNT")
{statements}
}}
"""

PHP_PROGRAM = """<?php
require getenv('TWILIO_PHP') . '/src/Twilio/autoload.php';
$user = $account = getenv('ACCOUNT');
$password = getenv('PASSWORD');
{declarations}
{statements}
"""

RUBY_PROGRAM = """
require 'twilio-ruby'
user = account = ENV['ACCOUNT']
password = ENV['PASSWORD']
{declarations}
{statements}
"""


def program_of(language: str, template: str, server: RunningServer) -> str:
    """The recipe of a language as a whole program: first its declarations, then statements."""
    (code,) = (each.code for each in collect() if each.language == language)
    end = "\nend\n\n" if language == "ruby" else "\n}\n\n"
    declarations, statements = code.replace("https://sync.example.com", server.url).split(end, 1)
    return template.format(declarations=declarations + end, statements=statements)


def run(directory: Path, server: RunningServer, *command: str) -> str:
    """Run a program with the account of the server; what it printed."""
    account, password = server.basic
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "ACCOUNT": account, "PASSWORD": password},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def needs(*programs: str) -> None:
    """Skip the recipe where a program is missing."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def sources(variable: str) -> Path:
    """The directory that a variable names; skips the recipe without it."""
    if variable not in os.environ:
        pytest.skip(f"{variable} names no sources of a release")
    return Path(os.environ[variable])


def assert_written(server: RunningServer, printed: str) -> None:
    """The document is there as the recipe left it, and the missing one was reported."""
    print(printed)
    assert printed.split()[-2:] == ["404", "20404"]
    url = f"{server.url}/v1/Services/default/Documents/prefs"
    assert httpx2.get(url, auth=server.basic).json()["data"] == {"a": 2}
    httpx2.delete(url, auth=server.basic).raise_for_status()


def test_java(server: RunningServer, tmp_path: Path) -> None:
    needs("javac", "mvn")
    (tmp_path / "Recipe.java").write_text(program_of("java", JAVA_PROGRAM, server))
    group, name, version = JAVA.split(":")
    (tmp_path / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>example</groupId>"
        "<artifactId>recipe</artifactId><version>1</version><dependencies><dependency>"
        f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
        "</dependency></dependencies></project>"
    )
    run(
        tmp_path, server, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"
    )
    assert_written(server, run(tmp_path, server, "java", "-cp", "lib/*", "Recipe.java"))


def test_go(server: RunningServer, tmp_path: Path) -> None:
    needs("go")
    (tmp_path / "main.go").write_text(program_of("go", GO_PROGRAM, server))
    run(tmp_path, server, "go", "mod", "init", "recipe")
    run(tmp_path, server, "go", "get", GO)
    assert_written(server, run(tmp_path, server, "go", "run", "."))


def test_php(server: RunningServer, tmp_path: Path) -> None:
    needs("php")
    sources("TWILIO_PHP")
    (tmp_path / "recipe.php").write_text(program_of("php", PHP_PROGRAM, server))
    assert_written(server, run(tmp_path, server, "php", "recipe.php"))


def test_ruby(server: RunningServer, tmp_path: Path) -> None:
    needs("ruby")
    library = sources("TWILIO_RUBY") / "lib"
    (tmp_path / "recipe.rb").write_text(program_of("ruby", RUBY_PROGRAM, server))
    assert_written(server, run(tmp_path, server, "ruby", f"-I{library}", "recipe.rb"))
