"""Mistakes in the data that homes share in a bucket."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

STORE = "tests/integration/test_folder_store.py"

IN_BUCKETS = [
    Mistake(
        name="a folder taken before it is whole",
        module="serving.folder_store",
        right="        name = self._name(folder)\n        files: dict[str, FileFacts] = {}\n",
        wrong="        name = self._name(folder)\n        files: dict[str, FileFacts] = {}\n"
        '        self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=b"{}")\n',
        test=f"{STORE}::test_a_killed_upload_is_not_taken_and_completed_later",
    ),
    Mistake(
        name="changed data taken",
        module="serving.folder_store",
        right="            if got != wanted:",
        wrong="            if False:",
        test=f"{STORE}::test_what_was_changed_is_not_taken",
    ),
    Mistake(
        name="data cleaned away that another home is at work on",
        module="orchestration.cleaning",
        right=" and each.changed < before",
        wrong="",
        test=f"{STORE}::test_a_cleaning_keeps_what_a_version_or_a_run_needs",
    ),
    Mistake(
        name="a bucket that is away found after hours",
        module="orchestration.workspace",
        right="store.check()  # now, not after hours of work",
        wrong="pass",
        test=f"{STORE}::test_a_bucket_that_is_not_there_is_named_before_anything_is_read",
    ),
    Mistake(
        name="files of others cleaned away",
        module="serving.folder_store",
        right=' if FILE.fullmatch(each["Key"].removeprefix(self._prefix)))',
        wrong=")",
        test=f"{STORE}::test_a_cleaning_keeps_what_a_version_or_a_run_needs",
    ),
    Mistake(
        name="an input blocked by a lost file",
        module="serving.folder_store",
        right='if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):',
        wrong="if True:",
        test=f"{STORE}::test_a_list_without_its_files_is_made_again",
    ),
]
