"""The views through Django's test client: ``python manage.py test``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import SimpleTestCase, TestCase, override_settings
from django.urls import reverse

from .models import Note, Upload


class Pages(SimpleTestCase):
    """The landing page."""

    def test_the_landing_page_offers_the_demonstrations(self) -> None:
        page = self.client.get(reverse("demo:index"))
        held_up = ("lock", "pool", "service", "beside", "upload")
        for name in ("slow", "cpu", "hash", "stream", "notes", "files", *held_up):
            self.assertContains(page, reverse(f"demo:{name}"))


class Notes(TestCase):
    """The guest book."""

    def test_a_note_is_stored_and_listed(self) -> None:
        posted = self.client.post(reverse("demo:notes"), {"author": "Ada", "text": "<b>Hello</b>"})
        self.assertRedirects(posted, reverse("demo:notes"))
        self.assertEqual(Note.objects.get().author, "Ada")
        self.assertContains(self.client.get(reverse("demo:notes")), "&lt;b&gt;Hello&lt;/b&gt;")

    def test_an_incomplete_note_is_refused_and_nothing_stored(self) -> None:
        posted = self.client.post(reverse("demo:notes"), {"author": "Ada"})
        self.assertContains(posted, "This field is required", status_code=400)
        self.assertFalse(Note.objects.exists())


class Files(TestCase):
    """Upload and download."""

    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        override = override_settings(MEDIA_ROOT=folder)
        override.enable()
        self.addCleanup(override.disable)

    def test_a_file_comes_back_as_it_was_sent(self) -> None:
        content = bytes(range(256)) * 1000
        file = SimpleUploadedFile("bytes.html", content, "text/html")
        self.assertRedirects(
            self.client.post(reverse("demo:files"), {"file": file}), reverse("demo:files")
        )
        upload = Upload.objects.get()
        self.assertEqual((upload.name, upload.size), ("bytes.html", len(content)))
        self.assertContains(self.client.get(reverse("demo:files")), "bytes.html")
        reply = self.client.get(reverse("demo:download", args=[upload.pk]))
        self.assertEqual(reply.getvalue(), content)
        self.assertEqual(reply["Content-Disposition"], 'attachment; filename="bytes.html"')

    def test_an_upload_without_a_file_is_refused(self) -> None:
        posted = self.client.post(reverse("demo:files"), {})
        self.assertContains(posted, "This field is required", status_code=400)

    def test_an_unknown_file_is_not_found(self) -> None:
        self.assertEqual(self.client.get(reverse("demo:download", args=[4711])).status_code, 404)


class Work(SimpleTestCase):
    """The stream, and the views that take their time."""

    def test_the_stream_has_the_lines_asked_for(self) -> None:
        reply = self.client.get(reverse("demo:stream"), {"lines": 3, "seconds": 0})
        self.assertEqual(len(reply.getvalue().decode().splitlines()), 3)

    def test_a_sleeping_view_uses_no_processor(self) -> None:
        report = self.client.get(reverse("demo:slow"), {"seconds": 0.2}).json()
        self.assertGreaterEqual(report["wall_ms"], 200)
        self.assertLess(report["cpu_ms"], 100)

    def test_computing_views_use_the_processor_for_the_time_asked_for(self) -> None:
        for name in ("cpu", "hash"):
            with self.subTest(name):
                report = self.client.get(reverse(f"demo:{name}"), {"seconds": 0.05}).json()
                self.assertGreaterEqual(report["cpu_ms"], 50)

    def test_views_that_hold_each_other_up_take_their_time_alone(self) -> None:
        for name in ("lock", "pool", "service"):
            with self.subTest(name):
                report = self.client.get(reverse(f"demo:{name}"), {"seconds": 0.1}).json()
                self.assertGreaterEqual(report["wall_ms"], 100)
                self.assertLess(report["cpu_ms"], 100)

    def test_the_sink_tells_the_size_of_an_upload(self) -> None:
        reply = self.client.post(reverse("demo:sink"), b"x" * 1000, "application/octet-stream")
        self.assertEqual(reply.content, b"1000 bytes\n")

    def test_impossible_numbers_are_refused(self) -> None:
        for seconds in ("-1", "61", "nan", "inf", "soon", ""):
            with self.subTest(seconds):
                reply = self.client.get(reverse("demo:slow"), {"seconds": seconds})
                self.assertEqual(reply.status_code, 400)
