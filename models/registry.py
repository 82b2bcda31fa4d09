"""The model registry: a bundle becomes a version in MLflow that can be trusted, or it does not become one.

MLflow calls a version READY whose files were never uploaded. So publishing goes in steps, each of which can be
repeated, and the alias moves last:

    sign -> upload -> download and verify -> version -> download by version and verify -> tag -> store -> alias

A publisher that was killed finds by digest what exists, and goes on from there. Two on different machines find each
other's run and version the same way: the first version of a bundle counts for both. Errors are kept apart:

    Unavailable     the store is down
    Denied          its permissions are at fault
    UnknownModel    there is no model of this name
    UnknownVersion  the model has no such version or alias
    BundleRefused   files missing, another digest, or a version that was never verified
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from contracts.errors import BundleRefused, NotFound

from .artifacts import fetch
from .cache import BundleCache, Step, no_step
from .files import MANIFEST, SIGNATURE, check_contents, is_digest
from .locks import locked
from .manifest import Manifest, parse
from .signature import sign
from .tracking import Exists, Missing, Tracking
from .versions import BUNDLE, KIND, PRODUCTION, PUBLISHED, VERIFIED, How, Move, Version, history, quoted

FOLDER = "bundle"


class UnknownModel(NotFound):
    """The registry has no model of this name."""

    kind = "unknown model"


class UnknownVersion(NotFound):
    """The model has no such version or alias."""

    kind = "unknown version"


class Registry:
    """Publishes bundles from a cache and fetches them into it. One writer per machine; several machines agree.

    ``key`` is the file of the key that signs what is published; ``by`` and ``at_ms`` are for the history of aliases.
    """

    def __init__(
        self, tracking: Tracking, cache: BundleCache, experiment: str, step: Step = no_step, *, key: Path | None = None
    ) -> None:
        self.tracking, self.cache, self.experiment, self._step, self._key = tracking, cache, experiment, step, key

    def publish(self, digest: str, name: str, alias: str = PRODUCTION, *, by: str = "publisher") -> Version:
        """The version of the bundle ``digest`` of the cache; made when there is none, finished when half made.

        The alias moves once, when the version is published: a later rollback by hand stays.
        Raises NotFound when the bundle is not in the cache, BundleRefused when it or what came back is damaged,
        Unavailable when the store is down.
        """
        with self.tracking.lock, locked(self.cache.folder / ".publish.lock"):
            found = self.find(name, digest)
            if found is not None and found.published:
                return found
            if found is None or not found.verified:
                # Also for a version that is there: what it was made from may have been damaged since.
                run_id = self._uploaded(digest, name, parse(self._signed(digest)[MANIFEST]))
                found = found or self._created(name, digest, run_id)
                self._step("verify version")
                self.download(found)
                self._step("tag")
                self._tag(found, VERIFIED, digest)
                found = self._version(name, found.number)
            self.move(found, alias, "published", by=by, at_ms=found.created_ms)
            self._step("finish")
            self._tag(found, PUBLISHED, alias)
            return self._version(name, found.number)

    def move(self, version: Version, alias: str, how: How, *, by: str, why: str = "", at_ms: int) -> Move:
        """Move an alias onto a verified version, whose bundle is in the store then; the history says who and why.

        Raises BundleRefused for a version that was never verified, Unavailable.
        """
        self.check_verified(version)
        client, name = self.tracking.client, quoted(version.name)
        if self.cache.store is not None:
            self._step("store")
            self.cache.store.put(self.files(version))
        model = self.model(name)
        moves, before = history(model.tags, alias), str(model.aliases.get(alias, ""))
        told = Move(alias, len(moves) and moves[-1].number, version.number, before, how, by, why, at_ms)
        # A publisher that was killed may have told of it already.
        if before != version.number and told not in moves[-1:]:
            # Before the alias: it must not move without anybody knowing why.
            self._step("history")
            told = told._replace(number=told.number + 1)
            self.tracking.ask("tag model", client.set_registered_model_tag, name, *told.tag)
        self._step("alias")
        self.tracking.ask("move alias", client.set_registered_model_alias, name, alias, version.number)
        return told

    def find(self, name: str, digest: str) -> Version | None:
        """The version of a bundle under a name, verified or not."""
        if not is_digest(digest):
            raise BundleRefused(f"{digest[:80]!r} is not the digest of a bundle", kind="name")
        where = f"name = '{quoted(name)}' and tags.`{BUNDLE}` = '{digest}'"
        rows = self.tracking.ask("find version", self.tracking.client.search_model_versions, where, 100)
        # Publishers on two machines may both have made one: the first is the one that counts, for both.
        return min(map(Version.of, rows), key=lambda version: int(version.number), default=None)

    def holding(self, digest: str) -> list[Version]:
        """The published versions of a bundle, under whatever names."""
        where = f"tags.`{BUNDLE}` = '{digest}'"
        if not is_digest(digest):
            return []
        rows = self.tracking.ask("find version", self.tracking.client.search_model_versions, where, 100)
        return [version for version in map(Version.of, rows) if version.published]

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first. Raises UnknownModel or Unavailable."""
        self.model(name)
        where = f"name = '{quoted(name)}'"
        rows = self.tracking.ask("list versions", self.tracking.client.search_model_versions, where, 1000)
        return sorted(map(Version.of, rows), key=lambda version: int(version.number))

    def fetch(self, name: str, which: str = PRODUCTION) -> Path:
        """The folder in the cache of a version, by its number or alias; downloaded and verified when it is new.

        Raises UnknownModel, UnknownVersion, BundleRefused or Unavailable.
        """
        version = self.resolve(name, which)
        self.check_verified(version)
        return self.cache.put_files(self.files(version))

    def files(self, version: Version) -> dict[str, bytes]:
        """The verified bytes of a version. Raises BundleRefused or Unavailable."""
        if version.bundle in self.cache.list():
            # Bytes that have the digest are the bytes, wherever they came from.
            with suppress(BundleRefused):
                return self.cache.files(version.bundle)
        return self.download(version)

    def download(self, version: Version) -> dict[str, bytes]:
        """The bytes that the registry has for a version, verified. Raises BundleRefused or Unavailable."""
        shown = f"model {version.name!r} version {version.number}"
        with self.tracking.lock:
            return self._verify(self._location(version), version.bundle, shown)

    @staticmethod
    def check_verified(version: Version) -> None:
        """Raises BundleRefused unless the version was verified when it was published."""
        if not version.verified:
            shown = f"model {version.name!r} version {version.number}"
            mend = "Its publisher was interrupted; publishing the bundle again finishes it."
            raise BundleRefused(f"{shown} was never verified", kind="not verified", mend=mend)

    def resolve(self, name: str, which: str) -> Version:
        """The version that a number or an alias means now.

        Raises UnknownModel, UnknownVersion or Unavailable.
        """
        model = self.model(name)
        aliases: Mapping[str, Any] = model.aliases
        number = str(aliases.get(which, which))
        if not (number.isascii() and number.isdigit()):
            known = ", ".join(sorted(aliases)) or "none"
            raise UnknownVersion(f"model {name!r} has no alias {which!r}; it has: {known}")
        return self._version(name, number)

    def models(self) -> list[Any]:
        """All models with their aliases and tags, as MLflow answers. Raises Unavailable."""
        call = self.tracking.client.search_registered_models
        found: list[Any] = []
        token: str | None = None
        while token is None or token:
            page = self.tracking.ask("list models", call, None, 1000, ["name"], token)
            found, token = found + list(page), str(page.token or "")
        return found

    def model(self, name: str) -> Any:
        """A model with its aliases and tags, as MLflow answers. Raises UnknownModel or Unavailable."""
        try:
            return self.tracking.ask("find model", self.tracking.client.get_registered_model, name)
        except Missing as error:
            raise UnknownModel(f"no model {name!r} in the registry at {self.tracking.store.shown}") from error

    def _version(self, name: str, number: str) -> Version:
        try:
            row = self.tracking.ask("find version", self.tracking.client.get_model_version, name, number)
        except Missing as error:
            raise UnknownVersion(f"model {name!r} has no version {number}") from error
        return Version.of(row)

    def _uploaded(self, digest: str, name: str, manifest: Manifest) -> str:
        """The run that holds the verified files of the bundle."""
        experiment = self.tracking.experiment(self.experiment)
        client = self.tracking.client
        rows = self.tracking.runs(experiment, f"tags.`{BUNDLE}` = '{digest}' and tags.`{KIND}` = 'bundle'")
        # The oldest: whoever else publishes this bundle takes the same one.
        run_id = min(((row.info.start_time, str(row.info.run_id)) for row in rows), default=(0, ""))[1]
        if not run_id:
            self._step("run")
            tags = {BUNDLE: digest, KIND: "bundle"}
            run_id = self.tracking.begin_run(experiment, f"{name} {digest[:12]}", tags)
        self._step("params")
        self.tracking.log(run_id, _params(manifest, digest), {}, 0)
        if not self._is_there(run_id, digest, signed=SIGNATURE in self.cache.files(digest)):
            self._step("upload")
            folder = str(self.cache.path(digest))
            self.tracking.ask("upload", client.log_artifacts, run_id, folder, FOLDER)
            self._step("verify upload")
            self._verify(self._artifacts(run_id), digest)
        self._step("end run")
        self.tracking.ask("end run", client.set_terminated, run_id, "FINISHED")
        return run_id

    def _signed(self, digest: str) -> dict[str, bytes]:
        """The bytes of the bundle in the cache, signed where we have a key and nobody has signed them."""
        files = self.cache.fetched(digest)
        if self._key is not None and SIGNATURE not in files:
            self._step("sign")
            files = {**files, SIGNATURE: sign(digest, self._key)}
            self.cache.put_files(files)
        return files

    def _is_there(self, run_id: str, digest: str, *, signed: bool) -> bool:
        try:
            files = self._verify(self._artifacts(run_id), digest)
        except BundleRefused:
            return False
        return SIGNATURE in files or not signed

    def _created(self, name: str, digest: str, run_id: str) -> Version:
        """The first version of the bundle, made by us unless somebody else was faster."""
        client = self.tracking.client
        self._step("model")
        with suppress(Exists):
            self.tracking.ask("create model", client.create_registered_model, name)
        self._step("version")
        made = self.tracking.ask(
            "create version",
            client.create_model_version,
            name,
            self._artifacts(run_id),
            run_id,
            tags={BUNDLE: digest},
            await_creation_for=0,
        )
        self._step("created")
        first = self.find(name, digest)
        if first is not None and first.number != str(made.version):
            self.tracking.ask("delete version", client.delete_model_version, name, str(made.version))
            return first
        return Version.of(made)

    def _artifacts(self, run_id: str) -> str:
        run = self.tracking.ask("find run", self.tracking.client.get_run, run_id)
        return f"{str(run.info.artifact_uri).rstrip('/')}/{FOLDER}"

    def _location(self, version: Version) -> str:
        call = self.tracking.client.get_model_version_download_uri
        return str(self.tracking.ask("locate version", call, version.name, version.number))

    def _verify(self, uri: str, digest: str, shown: str = "") -> dict[str, bytes]:
        """The files under ``uri``, which are the bundle ``digest``; raises BundleRefused when they are not."""
        try:
            files = fetch(self.tracking, uri, self.cache.folder)
            check_contents(files, digest)
        except BundleRefused as error:
            raise error.within(shown or uri) from error
        return files

    def _tag(self, version: Version, key: str, value: str) -> None:
        call = self.tracking.client.set_model_version_tag
        self.tracking.ask("tag version", call, version.name, version.number, key, value)


def _params(manifest: Manifest, digest: str) -> dict[str, str]:
    return {
        "bundle": digest,
        "detector": manifest.detector.kind,
        "feature_set": manifest.feature_set_hash,
        "environment": manifest.environment_hash,
        "training": manifest.training.kind,
        "device": manifest.device,
    }
