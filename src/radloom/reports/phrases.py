"""The rules of the labeller, as tables of regular expressions over lower-case text.

Mention phrases follow the categories of the CheXpert labeller (Irvin et al. 2019, arXiv 1901.07031, and its published
phrase lists), cues the idea of NegBio (Peng et al. 2018, arXiv 1712.05898): a mention, then the scopes of negation and
uncertainty around it. The tables are our own; docs/labeller.md says where they depart from CheXpert.

In a phrase, a space stands for a space or a hyphen, and a phrase matches whole words only. `xxxx` is a word that
de-identification removed.
"""

from __future__ import annotations

# --- What is mentioned ------------------------------------------------------------------------------------------------

OTHER = "other finding"
"""Pseudo-observation: findings outside the 14 that keep a study from being `No Finding`."""

MENTIONS: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        r"(?:cardio)?mediastinal (?:widening|enlargement|prominence)",
        r"(?:widening|enlargement|prominence) of the (?:cardio)?mediastin(?:um|al \w+)",
    ),
    "Cardiomegaly": (
        r"cardiomegaly",
        r"(?:cardiac|heart) enlargement",
        r"enlargement of (?:the )?(?:heart|cardiac (?:silhouette|contours?|shadow|size))",
        r"increased? (?:in )?heart size",
    ),
    "Lung Opacity": (
        r"opaci\w+",
        r"infiltrat\w+",
        r"air ?space (?:disease|process|change)\w*",
        r"alveolar (?:disease|process)\w*",
        r"interstitial (?:lung )?(?:disease|pattern|prominence|thickening|changes?|abnormalit\w+|process)",
        r"(?:chronic|scattered|irregular|coarse\w*|increased|prominent|diffuse|thickened|accentuated)(?: \w+){0,3} "
        r"interstitial markings?",
        r"reticul\w+ (?:pattern|markings?|densit\w+|changes?)|reticulation",
        r"(?:increased|patchy|hazy|ill defined|focal|streaky|linear) densit\w+",
        r"(?:airspace|parenchymal|basilar|pulmonary|lung) densit\w+",
        r"haz(?:e|y|iness)",
        r"(?:peri)?bronchial (?:wall )?(?:thickening|cuffing)",
        r"scar(?:s|red|ring|rings)?",
    ),
    "Lung Lesion": (
        r"mass(?:es)?",
        r"nodul\w+(?: (?:densit|opaci)\w+)?",
        r"(?:lung|pulmonary|cavitary|parenchymal) lesions?|cavitation",
        r"granulomas?|granulomata",
        r"carcinoma|neoplas\w+|tumou?rs?|malignan\w+|metasta\w+",
    ),
    "Edema": (
        r"(?:o)?edema",
        r"heart failure|chf|congestive failure|cardiac (?:failure|decompensation)",
        r"(?:fluid|volume) overload",
    ),
    "Consolidation": (r"consolidat\w+",),
    "Pneumonia": (
        r"(?:broncho)?pneumonias?|pneumonic|pneumonitis",
        r"infections?|infectious",
    ),
    "Atelectasis": (
        r"atelecta\w+",
        r"(?:lobar|lobe|lung|segmental|partial|complete|basilar) collapse|collapse of the",
    ),
    "Pneumothorax": (
        r"(?:hydro|hemo|hydropneumo)?pneumothora\w+|ptx",
        r"pleural air(?: collections?)?",
    ),
    "Pleural Effusion": (
        r"pleural (?:and|or) pericardial effusions?",
        r"effusions?",
        r"pleural (?:or mediastinal |air or )?fluid",
        r"(?:hydro|hemo|chylo)thorax|hydropneumothorax|hemopneumothorax",
        r"fluid (?:with)?in the (?:\w+ )?fissures?",
    ),
    "Pleural Other": (
        r"pleural (?:\w+ )?(?:thickening|plaques?|scar\w*|calcifications?|mass\w*|nodul\w+|cap|based)",
        r"(?:thickening|scarring|calcifications?) of the (?:\w+ )?pleura",
        r"(?:bi)?apical (?:pleural )?(?:cap|capping|thickening)",
        r"pleuro ?(?:parenchymal|pericardial) \w+",
        r"fibro(?:thorax|sis|tic)",
    ),
    "Fracture": (
        r"fractur\w+",
        r"broken ribs?",
    ),
    "Support Devices": (
        # heart
        r"pacemakers?|pacers?|pacing (?:leads?|wires?|device|electrodes?)|(?:a?icd|defibrillator|generator)s?",
        r"leads?|electrodes?|(?:cardiac|heart|ecg|ekg) monitor\w*|loop recorder|iabp|balloon pump|pumps?|lvad|impella",
        r"(?:prosthe\w+|mechanical|artificial|replaced|bioprosthetic)(?: \w+){0,2} valves?",
        r"valves? (?:prosthe\w+|replacements?)|closure device|stents?|coils?",
        # lines
        r"picc|catheters?|cvc|port a ?cath|porta?cath(?:eter)?|medi ?port|swan ganz|ivc filter|vena cava filter",
        r"(?:chest|infusion) port|port(?= (?:tip|is|in|with))|xxxx a xxxx|chest xxxx(?= (?:\w+ ){0,8}tip)",
        r"tip (?:\w+ ){1,6}(?:svc|cavoatrial|caval|atri\w+|vena|cava)",
        r"(?:central|venous|jugular|subclavian|ij|arterial|picc|pic|support|dialysis) lines?|lines? (?:and|or|tip)",
        # tubes
        r"(?:tracheostomy|endotracheal|nasogastric|orogastric|enteric|feeding|chest|thoracostomy|et|ng|og) tubes?",
        r"tubes?|tracheostomy|tracheotomy|ett|dobb?hoff|pigtail|drains?|shunts?",
        # surgical material
        r"(?:sternotomy|sternal|median|midline|surgical|cerclage|fixation)(?: xxxx)? (?:wires?|sutures?|hardware)",
        r"sternotom\w+|cerclage|wires?|clips?|staples?|sutures?|anchors?|internal fixation",
        r"hardware|(?:fixation|metallic|surgical|fusion) (?:plates?|rods?|device)|plates? and screws?|screws?",
        r"(?:surgical|fusion|fixation) xxxx",
        # other implants
        r"prosthes[ei]s|arthroplast\w+|(?:shoulder|hip|joint) replacements?",
        r"prosthetic (?:\w+ )?(?:shoulder|humer\w+|hip)",
        r"(?:neuro)?stimulators?|(?:monitor|implanted|assist|stimulator) devices?",
    ),
    OTHER: (
        # lungs and airways
        r"emphysem\w+|copd|chronic obstructive|hyper ?(?:inflat|expan|aerat|lucen|disten)\w+|air ?trapping",
        r"(?:hypo|under) ?(?:inflat|expan|aerat|ventilat)\w+",
        r"(?:low|decreased|reduced|diminished|small|large) (?:lung )?volumes?|(?:poor|shallow|low) inspir\w+",
        r"(?:lung volumes?|inspiration) (?:are|is|remain|appear)s? (?:(?!not )\w+ )?"
        r"(?:low(?! normal)|decreased|diminished|reduced|small)",
        r"volume loss|loss of volume|crowding|flattened|flattening|bull(?:a|ae|ous)|blebs?|cysts?|cystic",
        r"bronchi(?:ectasis|olitis|tis)|airways disease|asthma|bronchospasm|aspiration|kerley",
        r"granulomatous|histoplasmosis|tubercul\w+|sarcoid\w*|contusion|hemorrhage|hematoma|inflam\w+|cephali[sz]ation",
        # vessels, mediastinum, diaphragm
        r"tortuo\w+|ectasia|ectatic|unfold\w+|uncoil\w+|aneurysm\w*|athero\w+|calcifi\w+|calcinosis|hypertension",
        r"(?:lymph)?adenopathy|lymph (?:nodes?|xxxx)|pericardial|pneumomediastinum|pneumoperitoneum",
        r"hernia\w*|eventration|elevat\w+|blunt\w*|thicken\w*|shift\w*|deviat\w+",
        # bones
        r"degenerat\w+|spondyl\w+|osteophyt\w*|spurr?ing|spurs?|scolio\w+|levoscolio\w+|dextroscolio\w+|kypho\w+",
        r"osteopeni\w+|osteoporo\w+|deminerali\w+|osteodystrophy|sclero\w+|lytic|arthr(?:itis|itic|opathy|osis)|wedg\w+",
        r"deformit\w+|dish|compression|height loss|loss of height|dislocation|curvature|pectus",
        # what was done or left behind
        r"resection|amputat\w+|mastectomy|lobectomy|pneumonectomy|cholecystectomy|cabg|implants?",
        r"post ?(?:surgical|operative)|surg(?:ery|ical changes?)|foreign (?:body|bodies)|bullets?|shrapnel|radiopaque",
        # unspecific
        r"prominen\w+|enlarge(?:d|ment)|empyema|cavit(?:y|ies)|ground glass|fluid in the pleural",
        r"densit\w+|lucenc\w+|lesions?|nipple|free (?:intraperitoneal )?air",
        r"subcutaneous (?:air|gas|emphysema)",
    ),
}
"""Observation -> phrases that assert it unless a cue says otherwise."""

WEAK_MENTIONS: dict[str, tuple[str, ...]] = {
    "Edema": (
        r"congestion|congestive changes?|congested",
        r"(?:pulmonary )?vascular (?:indistinctness|prominence|engorgement|redistribution)",
        r"(?:prominent|prominence|engorge\w+|increased|indistinct\w*)(?: of)?(?: the)?(?: central| pulmonary| lung)* "
        r"vascul\w+",
        r"vascul\w+(?: markings)? (?:is|are|appears?|remains?)(?: \w+ly)* (?:prominent|engorged|increased|indistinct)",
    ),
}
"""Phrases that make an observation uncertain at most, as CheXpert has it for vascular congestion."""

NOT_MENTIONS: dict[str, tuple[str, ...]] = {
    "Lung Opacity": (
        r"pleural (?!parenchymal)(?:\w+ )?scar\w*",
        r"nodular densit\w+|radio ?opaci\w+",
        r"(?:surgical|skin|chest wall) scar\w*",
    ),
    "Lung Lesion": (
        r"mass effect|pleural (?:mass|nodul)\w*",
        r"(?:splenic|hepatic|liver|spleen|nodal|mediastinal)(?: \w+)? (?:granuloma\w*|nodul\w+)",
        r"granulomas?(?= (?:\w+ ){0,3}(?:spleen|liver))",
        r"(?:bone|osseous|bony|skeletal|spinal) (?:\w+ )?metasta\w+|metastatic (?:bone|osseous)\w*",
    ),
    "Edema": (r"(?:soft tissue|bone|marrow|peripheral|leg|laryngeal|subpleural)(?: \w+)? edema",),
    "Pneumonia": (
        r"(?:granulomatous|histoplasm\w+|fungal)(?: \w+)? (?:infections?|pneumonitis)",
        r"radiation pneumonitis",
    ),
    "Atelectasis": (r"(?:vertebral|compression)(?: \w+)? collapse|collapse of the (?:\w+ )?vertebra\w*",),
    "Pleural Effusion": (r"(?<!pleural and )(?<!pleural or )(?:pericardial|joint|knee)(?: \w+)? effusions?",),
    "Pleural Other": (r"cystic fibrosis",),
    "Fracture": (
        r"(?:catheter|lead|wire|screw|hardware|plate) fractur\w+",
        r"fractur\w+ (?:of )?(?:the )?(?:\w+ ){0,3}(?:sternotomy|wires?|leads?|hardware|catheter|screws?|plate)",
        r"(?:wires?|screws?|plate|sternotomy xxxx|fixation xxxx) (?:is|are|appears?) fractured",
    ),
    "Support Devices": (
        r"(?:kerley|septal|fissur\w+|fracture|pleural|paratracheal|mid(?:clavicular|axillary)) (?:\w )?lines?",
        r"lines? of|leads? to|breast prosthes[ei]s",
    ),
}
"""Observation -> phrases in which its mention phrase means something else."""

# --- What is said of heart, mediastinum and markings ------------------------------------------------------------------

_OUTLINE = r"(?:silhouettes?|contours?|structures?|shadows?|borders?|margins?|outlines?|configuration)"

STRUCTURES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        rf"(?:cardiac|heart) (?:and |, |/ ?)?(?:the )?mediastinal (?:\w+ and )?{_OUTLINE}",
        ("Cardiomegaly", "Enlarged Cardiomediastinum"),
        ("Cardiomegaly", "Enlarged Cardiomediastinum"),
    ),
    (
        rf"cardio ?mediastin(?:um|al)(?: (?:{_OUTLINE}|size))?|cardiac mediastinal {_OUTLINE}",
        ("Enlarged Cardiomediastinum",),
        ("Cardiomegaly", "Enlarged Cardiomediastinum"),
    ),
    (
        rf"mediastinum|(?:hilar and )?mediastinal (?:and (?:hilar|cardiac) )?(?:{_OUTLINE}|size|width)",
        ("Enlarged Cardiomediastinum",),
        ("Enlarged Cardiomediastinum",),
    ),
    (
        rf"(?:cardiac|cardiopericardial|heart|cardiovascular) (?:size|diameter|(?!borders?|margins?){_OUTLINE})"
        r"|size of (?:the )?heart"
        r"|heart(?! (?:failure|disease|valves?|rate|attack|rhythm|surgery|transplant|monitor|base|apex))"
        r"(?! (?:borders?|margins?))",
        ("Cardiomegaly",),
        ("Cardiomegaly",),
    ),
    (
        r"(?:pulmonary |lung )?interstitial (?:lung )?markings?|interstitium|lung markings?",
        ("Lung Opacity",),
        ("Lung Opacity",),
    ),
)
"""(phrase, observations if it is abnormal, observations if it is normal).

A structure asserts nothing by itself: its predicate decides. An enlarged cardiomediastinal silhouette does not say
that it is the heart that is enlarged; a normal one says that the heart is not."""

PREDICATES: dict[str, tuple[str, ...]] = {
    "uncertain": (
        r"borderline(?: \w+ly)?(?: in size)?(?: enlarged| normal| large| prominent| enlargement)?",
        r"(?:at |within )?(?:the )?(?:upper )?(?:limits? of normal|limits?|normal) (?:to|or) (?:\w+ly |slightly )?"
        r"(?:enlarged|prominent|large|borderline)(?: enlarged)?",
        r"not (?:well|clearly|fully|optimally) \w+|(?:poorly|incompletely|suboptimally) \w+|cannot be \w+",
        r"(?:difficult|hard) to \w+|obscured|accentuated|magnified|exaggerated",
        r"(?:top|high|upper) normal (?:to|or) (?:\w+ly |slightly )?(?:enlarged|prominent|large|borderline)",
    ),
    "not_normal": (
        r"not (?:\w+ly )?(?:normal|unremarkable)|(?:above|greater than|larger than|more than|bigger than) normal",
        r"abnormal",
    ),
    "normal": (
        r"no longer (?:enlarged|widened|dilated|increased|prominent|large|wide)",
        r"(?:at |within )?(?:the )?(?:upper|high) (?:limits?|range|end) (?:of )?normal(?: limits)?",
        r"top normal|high normal|upper normal|wnl",
        r"within (?:the )?(?:broad |grossly |upper )?(?:normal )?(?:limits?|range)(?: (?:of |for )normal)?",
        r"normal|unremarkable|non ?enlarged",
        r"not (?:\w+ly |overtly )?(?:enlarged|widened|dilated|increased|prominent|large|big|wide|abnormal|thickened)",
        r"no (?:\w+ )?(?:enlargement|widening)",
    ),
    "abnormal": (
        r"enlarg\w+|increased|prominent|prominence|widened|widening|dilated|larger?|big(?:ger)?|globular|generous|wider?",
        r"coarse\w*|thicken\w+",
    ),
    "stable": (r"stable|unchanged|similar|no (?:\w+ ){0,3}change|not (?:\w+ )?changed|without (?:\w+ )?change",),
}
"""What is said of a structure; the first table that fits counts. `not_normal` is abnormal; `stable` counts as
uncertain, and only where nothing else is said."""

# --- Cues: what turns a mention round ---------------------------------------------------------------------------------

_SEEN = (
    r"(?:seen|identified|visuali[sz]ed|present|appreciated|demonstrated|evident|noted|detected|apparent|found|shown|"
    r"observed|visible|suspected)"
)

PSEUDO_CUES: tuple[str, ...] = (
    r"(?:no|without|little|not)(?: (?:definite|significant|gross|appreciable|substantial|obvious|convincing|interval|"
    r"new|acute|evident|xxxx|apparent|radiographic|much|relevant|other|major|overall|short))* "
    r"(?:change|increase|decrease|improvement|worsening|progression|difference)s?(?: in| of| from| since| to)?",
    r"(?:not|n't)(?: \w+ly| much)? (?:changed|increased|decreased|improved|worsened|different|progressed)",
    rf"(?:(?:is|are|was|were) )?not (?:\w+ )?{_SEEN} (?:on|in|at) (?:the )?(?:\w+ )?"
    r"(?:prior|previous|earlier|lateral|frontal|comparison|pa|ap|last|xxxx)",
    rf"(?:(?:is|are|was|were) )?not (?:\w+ )?{_SEEN} (?:previously|before|earlier)",
    r"(?:(?:is|are|has|have|was|were) )?(?:not|n't)(?: \w+ly| yet| been)* (?:resolved|cleared|removed|disappeared|"
    r"withdrawn)",
    r"not previously \w+|not (?:only|necessarily|simply|just)|no (?:doubt|question)(?: of| about)?",
    r"(?:(?:is|are|has|have)(?: been)? )?(?:near|nearly|almost|partial|partially|incomplete|incompletely|mostly|some|"
    r"largely)(?: \w+)? (?:resolved|resolution(?: of)?|clear(?:ed|ing)(?: of)?)",
    r"(?:to|and|until) (?:\w+ )?(?:resolution|clearing|stability)",
    r"(?:ensure|document|confirm|demonstrate|assess|verify|evaluate|establish)(?: (?:for|the))?(?: \w+)? "
    r"(?:resolution|clearing|stability)(?: of)?",
)
"""Phrases that look like a cue and are none."""

IGNORE_CUES: tuple[str, ...] = (
    r"(?:history|hx|h/o) of|h/o|hx",
    r"if (?:there is |there are )?(?:\w+ ){0,2}(?:concern|suspicion|symptoms)(?: persists?)?(?: for| of)?",
    r"detect\w*|sensitiv\w+ (?:in|for|to)|for (?:the )?(?:evaluation|detection|exclusion) of",
    r"(?:evaluat\w+|assess\w*|exam\w*|study|look\w*|specific)(?: \w+)? for",
)
"""Before a mention that speaks of the past or of a wish to look, not of this image."""

POST_IGNORE: tuple[str, ...] = (rf"(?:may|might|could|would|can) not(?: always)? be (?:\w+ly )?{_SEEN}",)
"""After a mention that speaks of what the image could miss."""

PRE_NEGATION: tuple[str, ...] = (
    r"no|not|without|w/o|nor|neither|never|none of the|nothing|isn't|aren't|doesn't|don't",
    r"(?:absence|lack|free|clear|cleared|devoid|exclusion|disappearance) of|clear(?= air)|free from|absent|lacks?",
    r"negative (?:for|of)|denies|fails? to (?:show|reveal|demonstrate)|ruled out|rules out|excludes|against",
    r"(?:complete )?(?:resolution|clearing|removal|drainage|evacuation) of|resolved|removed",
    r"rather than|xxxx than|instead of|as opposed to|unlikely(?: to (?:be|represent|reflect))?|doubt",
)

POST_NEGATION: tuple[str, ...] = (
    r"(?:is|are|was|were|has been|have been|has|have)(?: \w+ly| now| also)? (?:absent|resolved|cleared|removed|"
    r"excluded|ruled out|disappeared|unlikely|doubtful|negative(?! for)|withdrawn|discontinued)",
    rf"(?:is|are|was|were|has|have)(?: not|n't)(?: \w+ly)?(?: been)?(?: \w+ly)? {_SEEN}",
    rf"(?:is|are|was|were) no longer \w+|no longer \w+|(?:cannot|can not) be {_SEEN}",
    rf"not (?:\w+ly )?{_SEEN}|(?:none|absent)(?= *[.,;])",
    r"(?:resolved|removed|ruled out|unlikely|now absent)(?= *(?:[.,;]|$| since| from| in the interval))",
    r"with (?:complete |interval )*(?:resolution|clearing)(?! of)|: ?(?:no|negative)(?= *(?:[.,;]|$))",
    rf"(?:: ?| - )(?:none|absent|not (?:\w+ly )?{_SEEN}|(?:resolved|removed)(?= *(?:[.,;]|$)))\b",
    r"(?:is|are|appears?|remains?)(?: \w+ly)? (?:normal|unremarkable|within (?:the )?(?:normal )?limits)",
)

PRE_UNCERTAINTY: tuple[str, ...] = (
    r"(?:cannot|can ?not|can't|could not|couldn't|does not|do not|not|difficult to|hard to|unable to|impossible to)"
    r"(?: \w+ly)? (?:exclude|rule out)",
    r"(?:to|and|please) (?:exclude|rule out)|rule out|r/o|exclude",
    r"possib(?:le|ly|ility)(?: of)?|probabl[ey]|presum(?:ed|ably|ptive)|perhaps|maybe|questionabl[ey]|equivocal(?:ly)?",
    r"suspect(?:ed|s)?|borderline|potential(?:ly)?|conceivabl[ey]|less (?:likely|xxxx)|question(?:ed|able)?(?: of)?|\?",
    r"(?:minimal|little|trace),? if any,?",
)
"""Uncertain even within the scope of a negation before it."""

PRE_SUSPICION: tuple[str, ...] = (
    r"may|might|could|can (?:represent|reflect|indicate|be seen)",
    r"suspicious(?: for| of)?|suspicion(?: for| of)|concern(?:ing|ed)?(?: for| of| about)|worrisome(?: for)?|worry for",
    r"suggestion of|hint of|favou?r\w*|consider(?:ations?)?(?: includ\w+)?|correlat\w+(?: \w+){0,3} for",
    r"differential(?: \w+){0,2} includ\w+|differential(?: diagnosis| considerations?)?",
)
"""Uncertain unless a negation reaches over them: `no opacity suspicious for pneumonia` denies both."""

POST_UNCERTAINTY: tuple[str, ...] = (
    r"(?:cannot|can ?not|can't|could not|couldn't|not)(?: \w+ly)?(?: be)?(?: \w+ly)? (?:excluded|ruled out)",
    r"(?:is|are|remains?|would be)(?: also| \w+ly)? (?:possible|suspected|questioned|questionable|considered|equivocal|"
    r"less likely|difficult to exclude|in the differential|(?:an? |another |also )*(?:\w+ )?(?:consideration|"
    r"possibility))",
    r"(?:may|might|could)(?: also)? (?:be (?:present|seen|considered|developing)|have this appearance|coexist|appear)",
    r"if (?:there is )?(?:any|present)(?= *(?:[.,;)]|$))",
    r"(?:should|must|needs? to|has to|have to) be (?:excluded|considered|ruled out)",
    r"difficult to (?:entirely )?exclude|not well (?:seen|visuali[sz]ed|evaluated|assessed)",
    r"(?:less likely|suspected|questioned|possible)(?= *(?:[.,;]|$))|(?<=\w)\?",
)

VERSUS = (r"versus|vs\.?|and/or|or(?: possibly| perhaps| less likely)?",)
"""Between two mentions that are not negated: either may be meant, so both are uncertain."""

# --- Where a scope ends -----------------------------------------------------------------------------------------------

TERMINATORS: tuple[str, ...] = (
    r";|:(?= \w)| - | -- |–|—",
    r"but|however|although|though|whereas|while|except|aside from|apart from|other than|besides|despite|yet",
    r"which|because|given|status post|s/p|after|following|in the setting of|there (?:is|are|has|have)|otherwise",
    r"(?<!consistent )(?<!compatible )(?<!associated )(?<!correlate )with(?! (?:no|out)\b)",
)
"""A scope of negation or uncertainty ends here. `with` ends one unless it belongs to `consistent with`."""

VERB = (
    r"(?:is|are|was|were|has|have|appears?|remains?|shows?|demonstrates?|measures?)"
    rf"(?! (?:\w+ly )?(?:{_SEEN}|not|no)\b)",
)
"""Makes a clause of its own of what stands between two commas."""

FRESH_START: tuple[str, ...] = (
    r"stable|unchanged|mild|mildly|moderate|moderately|minimal|minimally|small|slight|slightly|subtle|multiple|few|several",
    r"large|tiny|trace|new|severe|severely|extensive|marked|markedly|massive|enlarged|enlarging|worsening|worsened|dense",
    r"basal|upper|lower|old|healed|healing|chronic|remote|known|bibasilar|basilar|patchy|scattered|calcified|degenerative|tortuous|mid",
    r"low|normal|clear|improved|improving|increased|decreased|prominent|persistent|residual|continued|again|interval",
    r"there|the|a|an|this|these|it|likely|possible|probable|probably|status|lungs?|heart|cardi\w+|mediastin\w+",
)
"""A word after a comma or `and` that starts something new rather than going on with a negated list."""

SIDE = r"left|right|bilateral"
"""Starts something new after a comma only: `no effusion, right base opacity` but `removal of left and right tubes`."""
