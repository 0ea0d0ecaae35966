"""Pictures of archived files for a browser: :func:`portal.sync.viewing.renditions.rendition`.

Files come from outside, so a browser gets either a small JPEG or PNG as it is or a picture drawn
anew; all decoding is done by a limited child process (:mod:`.painter`), one for each picture.
Of what has no picture, the same children tell what it says of itself (:mod:`.telling`).
Nothing is imported here, so that a child starts fast.
"""
