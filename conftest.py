"""Before any test imports torch: threads that wait sleep, so that tests keep their speed where cores are busy."""

from radloom.runtime import tune

tune()
