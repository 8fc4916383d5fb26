"""What radloom makes, as other systems take it: drawings as DICOM, reports as DICOM SR and as FHIR. Only output."""

from __future__ import annotations

from radloom.interop.common import check_same_patient as check_same_patient
from radloom.interop.common import read_source as read_source
from radloom.interop.common import says_synthetic as says_synthetic
from radloom.interop.dicom import drawing_bytes as drawing_bytes
from radloom.interop.dicom import write_dicom as write_dicom
from radloom.interop.fhir import diagnostic_report as diagnostic_report
from radloom.interop.report import REPORT_SUFFIXES as REPORT_SUFFIXES
from radloom.interop.report import report_bytes as report_bytes
from radloom.interop.report import write_report as write_report
from radloom.interop.sr import write_sr as write_sr
from radloom.provenance import Maker as Maker
from radloom.provenance import Origin as Origin
