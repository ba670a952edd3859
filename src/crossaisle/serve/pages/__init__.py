"""The page at ``/``, as files that a browser reads as they are; there is no build step. Imports nothing.

``index.html`` loads ``pages/js/main.js``, which calls ``api/v1`` and nothing else; both are taken relative to the page, so the service may
stand under any prefix. No script or style stands inside the HTML, and nothing evaluates text as code, so the strict content security policy
of the service holds. The library that it is built with lies in ``vendor/`` with its licences; every word stands in ``js/words.js``, in
English and Chinese.
"""
