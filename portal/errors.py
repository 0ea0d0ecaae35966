"""What can go wrong, in words a user can act on.

Every failure the product reports is one :class:`Problem` of the catalogue below: a code that
stays the same for ever, a reason and what to do (处理措施) in Chinese and English, and whether
trying again without a change can help (``permanent``). A :class:`SyncError` is one occurrence of
a problem; its parameters fill the braces of the texts and are stored as they are, so that the
reason can be shown later in either language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

Where = Literal["document", "source", "archive"]


@dataclass(frozen=True)
class Problem:
    """One kind of failure; texts may contain ``{name}`` for parameters."""

    code: str
    zh: str
    en: str
    action_zh: str
    action_en: str
    permanent: bool
    where: Where = "document"
    """Where the cause may lie. Of the archive's no document is ever blamed; of the source's only
    when the source serves anything at all (see :mod:`portal.sync.transfer.blame`)."""


class PortalError(Exception):
    """Base of all errors the portal raises on purpose; its text may be shown to a user.

    A terminal shows both languages, a page the one of its reader.
    """

    def __init__(self, zh: str, en: str = "") -> None:
        self._texts = (zh, en or zh)
        super().__init__(f"{zh} {en}" if en else zh)

    def text(self, language: str) -> str:
        """The text in ``zh`` or ``en``."""
        return self._texts[0 if language.startswith("zh") else 1]


class SettingsError(PortalError):
    """A setting is unknown or makes no sense; the text names it and what is allowed."""


class NotAllowed(PortalError):
    """What was asked for does not fit the state the thing is in; the text says why."""


class BatchRefused(NotAllowed):
    """The same of a batch, which the text begins with."""

    def __init__(self, batch_no: str, zh: str, en: str) -> None:
        self._why = PortalError(zh, en)
        super().__init__(f"批次 {batch_no} {zh}", f"batch {batch_no} {en}")

    def why(self, language: str) -> str:
        """The reason alone, for a list of batches that were refused for it."""
        return self._why.text(language)


class InvalidSetting(PortalError, ValueError):
    """A setting of a data source makes no sense; the text names it, and never holds a secret."""


class NotFound(PortalError):
    """The named thing does not exist; the text names it."""


class LedgerAway(PortalError):
    """The ledger's database cannot be used just now; the same step may work a little later."""


class SyncError(PortalError):
    """One occurrence of a :class:`Problem`.

    :param code: a key of :data:`PROBLEMS`
    :param retry_after: seconds the source asked to be left alone, when it did
    :param params: plain values that fill the texts; kept with the item
    :raises KeyError: if the code is not in the catalogue
    """

    def __init__(self, code: str, *, retry_after: float | None = None, **params: object) -> None:
        self.problem = PROBLEMS[code]
        self.params: dict[str, Any] = dict(params)
        self.retry_after = retry_after
        super().__init__(f"{code}: {reason(code, self.params, 'en')}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.retry_after, self.params))

    @property
    def code(self) -> str:
        """The stable code, as stored and shown."""
        return self.problem.code

    @property
    def permanent(self) -> bool:
        """Whether trying again unchanged cannot help."""
        return self.problem.permanent


def _rebuild(code: str, retry_after: float | None, params: dict[str, Any]) -> SyncError:
    return SyncError(code, retry_after=retry_after, **params)


class _Lenient(Formatter):
    """Leaves a gap for a parameter that an older row does not carry, instead of failing."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "?")


_format = _Lenient().vformat


def reason(code: str, params: Mapping[str, Any] | None, language: str) -> str:
    """The reason of a stored failure in ``zh`` or ``en``; an unknown code is shown as it is."""
    problem = PROBLEMS.get(code)
    if problem is None:
        return code
    return _format(problem.zh if language.startswith("zh") else problem.en, (), params or {})


def action(code: str, params: Mapping[str, Any] | None, language: str) -> str:
    """What to do about a stored failure (处理措施) in ``zh`` or ``en``."""
    problem = PROBLEMS.get(code)
    if problem is None:
        return ""
    text = problem.action_zh if language.startswith("zh") else problem.action_en
    return _format(text, (), params or {})


_TELL_SOURCE_ZH = "请源系统管理员修正后，点“重新同步失败任务”。"
_AUDIT_ZH = "保留数据库现状，通知审计与管理员；"
_AUDIT_EN = "Keep the database as it is and tell the auditors; "
_TELL_SOURCE_EN = "Have the source corrected, then retry the failed documents."
_AUTO_ZH = "系统会自动重试；若一直失败，请"
_AUTO_EN = "Retried automatically; if it keeps failing, "

_CATALOGUE = (
    # What a listed document says of itself (source contract: required fields).
    Problem(
        "META_MISSING_FIELD",
        "缺少必填字段 {field}",
        "required field {field} is missing",
        f"在源系统补齐该字段。{_TELL_SOURCE_ZH}",
        f"Fill the field at the source. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "META_NO_IMAGE_NO",
        "单据没有影像编号（scanBillNo）",
        "the document has no image number (scanBillNo)",
        f"没有影像编号的单据无法归档，请在源系统补上编号。{_TELL_SOURCE_ZH}",
        f"A document without one cannot be archived. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "META_BAD_VALUE",
        "字段 {field} 的值无效：{value}",
        "field {field} has an invalid value: {value}",
        f"检查源系统中该字段的内容。{_TELL_SOURCE_ZH}",
        f"Check the field at the source. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "META_BAD_CATEGORY",
        "文件类别 {value} 不是封面、发票或附件",
        "file category {value} is not cover, invoice or attach",
        f"在源系统改正文件类别。{_TELL_SOURCE_ZH}",
        f"Correct the file's category at the source. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "META_NO_FILES",
        "单据下没有任何文件",
        "the document has no files",
        f"确认该单据是否应有影像文件。{_TELL_SOURCE_ZH}",
        f"Check whether the document should have files. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "META_DUPLICATE_FILE",
        "同一文件编号 {file_id} 在单据中出现多次",
        "file id {file_id} appears more than once in the document",
        f"在源系统删除重复的文件记录。{_TELL_SOURCE_ZH}",
        f"Remove the repeated file record at the source. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    # What the source answers (source contract, last paragraph).
    Problem(
        "SRC_CREDENTIALS",
        "源系统拒绝了 clientId 或 clientSecret（{detail}）",
        "the source refused clientId or clientSecret ({detail})",
        "核对数据源的 clientId、clientSecret（激活邮件），确认不是 TN_ 开头的租户级编号。",
        "Check the data source's client id and secret; ids starting TN_ are tenant-level.",
        permanent=True,
        where="source",
    ),
    Problem(
        "SRC_UNAUTHORIZED",
        "令牌更新后源系统仍返回 401",
        "the source answers 401 even with a fresh token",
        f"{_AUTO_ZH}核对数据源凭据和服务器时间。",
        f"{_AUTO_EN}check the credentials and this server's clock.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_FORBIDDEN",
        "源系统拒绝访问（403）",
        "the source forbids access (403)",
        "请源系统管理员为该 clientId 授权后，点“重新同步失败任务”。",
        "Have the source grant this client access, then retry.",
        permanent=True,
        where="source",
    ),
    Problem(
        "SRC_NOT_FOUND",
        "源系统没有所请求的文件或接口（404）",
        "the source has no such file or call (404)",
        "单据失败：确认文件在源系统中是否已删除，恢复后点“重新同步失败任务”；"
        "月份清点失败：核对数据源地址和连接配置。",
        "A document: check whether the file was deleted at the source, then retry. "
        "A month's listing: check the data source's address and connector profile.",
        permanent=True,
    ),
    Problem(
        "SRC_THROTTLED",
        "源系统限流（429）",
        "the source limits the rate (429)",
        f"{_AUTO_ZH}降低数据源的并发上限。",
        f"{_AUTO_EN}lower the data source's concurrency cap.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_SERVER_ERROR",
        "源系统内部错误（HTTP {status}）",
        "the source failed (HTTP {status})",
        f"{_AUTO_ZH}联系源系统管理员。",
        f"{_AUTO_EN}contact the source's administrator.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_BAD_STATUS",
        "源系统返回了意外的 HTTP 状态 {status}",
        "the source answered with unexpected HTTP status {status}",
        "核对数据源地址和连接配置。",
        "Check the data source's address and connector profile.",
        permanent=True,
        where="source",
    ),
    Problem(
        "SRC_BUSINESS_ERROR",
        "源系统返回业务错误 {errcode}：{description}",
        "the source reports error {errcode}: {description}",
        f"{_AUTO_ZH}按错误码联系源系统管理员。",
        f"{_AUTO_EN}ask the source's administrator about the code.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_HTML",
        "应返回数据，却收到网页（HTML）",
        "a web page (HTML) came instead of data",
        f"{_AUTO_ZH}检查数据源地址，以及中间是否有登录页或代理。",
        f"{_AUTO_EN}check the address, and whether a login page or proxy is in between.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_BAD_ANSWER",
        "源系统的应答不符合接口约定：{detail}",
        "the source's answer breaks the contract: {detail}",
        f"{_AUTO_ZH}核对连接配置与源系统接口版本。",
        f"{_AUTO_EN}compare the connector profile with the source's interface.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_SHORT_BODY",
        "文件传输不完整：应 {expected} 字节，只收到 {received} 字节",
        "the transfer was cut: {received} of {expected} bytes",
        f"{_AUTO_ZH}检查网络和源系统存储。",
        f"{_AUTO_EN}check the network and the source's storage.",
        permanent=False,
    ),
    Problem(
        "SRC_CUT",
        "收到 {received} 字节后连接结束，源系统没有给出文件长度，无法确认完整",
        "the connection ended after {received} bytes and the source told no length to compare with",
        f"{_AUTO_ZH}检查网络，并请源系统给出 Content-Length、fileSize 或摘要。",
        f"{_AUTO_EN}check the network, and have the source tell Content-Length, size or digest.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_EMPTY",
        "源系统返回了 0 字节",
        "the source sent zero bytes",
        f"{_AUTO_ZH}确认文件在源系统中能否打开。",
        f"{_AUTO_EN}check whether the file opens at the source.",
        permanent=False,
    ),
    Problem(
        "SRC_CONNECTION",
        "连接源系统失败：{detail}",
        "no connection to the source: {detail}",
        f"{_AUTO_ZH}检查网络、DNS、防火墙和数据源地址。",
        f"{_AUTO_EN}check network, DNS, firewall and the data source's address.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_TLS",
        "与源系统的安全连接（TLS）建立失败：{detail}",
        "no secure connection (TLS) to the source: {detail}",
        f"{_AUTO_ZH}检查源系统证书：由内部机构签发的（unknown CA），"
        "用 `imgmig source add 名称 --ca-file 文件` 设置该数据源的私有证书；"
        "过期的请源系统更换；主机名不符的核对数据源地址；并核对本机时间。",
        f"{_AUTO_EN}look at the source's certificate: for one of an authority of your own "
        "(unknown CA) set the data source's private CA with `imgmig source add NAME --ca-file "
        "FILE`; have an expired one replaced; for a wrong host name check the address; and check "
        "this machine's clock.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_PROXY",
        "出站代理（不是源系统）出错：{detail}",
        "the outbound proxy, not the source, failed: {detail}",
        f"{_AUTO_ZH}检查数据源的代理地址、用户名和密码（`imgmig source add 名称 --proxy`），"
        "并请代理管理员确认允许访问源系统。",
        f"{_AUTO_EN}check the proxy's address, user and password (`imgmig source add NAME "
        "--proxy`), and ask its administrator whether it lets us through to the source.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_TIMEOUT",
        "源系统超过 {seconds} 秒没有响应",
        "the source did not answer for {seconds} seconds",
        f"{_AUTO_ZH}检查网络和源系统负载。",
        f"{_AUTO_EN}check the network and the source's load.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_TOO_SLOW",
        "源系统发送过慢：{seconds} 秒只收到 {received} 字节",
        "the source sends too slowly: {received} bytes in {seconds} seconds",
        f"{_AUTO_ZH}检查网络和源系统负载。",
        f"{_AUTO_EN}check the network and the source's load.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_REDIRECT_LOOP",
        "下载地址循环跳转",
        "the download address redirects in a loop",
        "请源系统管理员检查下载地址。",
        "Have the source's administrator check the download address.",
        permanent=True,
    ),
    Problem(
        "SRC_HOST_NOT_ALLOWED",
        "下载主机 {host} 不在数据源的允许清单中",
        "download host {host} is not on the data source's allow-list",
        "确认该主机可信后，加入数据源的下载主机清单，再点“重新同步失败任务”。",
        "If the host is trusted, add it to the data source's download hosts and retry.",
        permanent=True,
    ),
    Problem(
        "SRC_LISTING_UNSTABLE",
        "列表在读取期间不断变化，已重读 {rounds} 次：源端 {expected} 份，读到 {listed} 份",
        "the listing kept changing over {rounds} readings: {expected} counted, {listed} listed",
        "源系统仍在写入该月份；写入停止后重新同步。",
        "The month is still being written at the source; sync again when that has stopped.",
        permanent=False,
    ),
    Problem(
        "SRC_LISTING_REPEATS",
        "源系统反复返回同一页（第 {page} 页），列表无法结束",
        "the source repeats a page (page {page}) and the listing cannot end",
        "请源系统管理员检查列表接口的分页。",
        "Have the source's paging checked.",
        permanent=True,
    ),
    # What the bytes turn out to be.
    Problem(
        "FILE_SIZE_MISMATCH",
        "文件大小不符：登记 {expected} 字节，实际 {actual} 字节",
        "size differs: {expected} bytes declared, {actual} received",
        f"{_AUTO_ZH}请源系统核对该文件。",
        f"{_AUTO_EN}have the file checked at the source.",
        permanent=False,
    ),
    Problem(
        "FILE_DIGEST_MISMATCH",
        "文件摘要（{algorithm}）与源系统登记的不符",
        "the {algorithm} digest differs from the one the source declares",
        f"文件内容与登记不一致，可能已损坏或被替换。{_TELL_SOURCE_ZH}",
        f"The file may be damaged or replaced at the source. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_TYPE_MISMATCH",
        "扩展名是 {declared}，内容却是 {actual}",
        "the suffix says {declared} but the content is {actual}",
        f"在源系统以正确的扩展名重新上传。{_TELL_SOURCE_ZH}",
        f"Upload it again with the right suffix. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_TYPE_NOT_ALLOWED",
        "{category} 类别不接受 {actual} 文件",
        "files of type {actual} are not accepted as {category}",
        f"转换格式或调整兼容性规则。{_TELL_SOURCE_ZH}",
        f"Convert it, or change the compatibility rules. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_TOO_LARGE",
        "文件 {actual} 字节，超过上限 {limit} 字节",
        "the file has {actual} bytes, the limit is {limit}",
        "压缩文件，或请管理员调高上限后重试。",
        "Compress it, or have the limit raised and retry.",
        permanent=True,
    ),
    Problem(
        "FILE_RESOLUTION_LOW",
        "图像 {width}×{height} 像素，低于最低要求 {minimum} 像素（短边）",
        "picture of {width}×{height} pixels, the shorter side must have {minimum}",
        f"重新扫描该页。{_TELL_SOURCE_ZH}",
        f"Scan the page again. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_DPI_LOW",
        "图片只有 {actual} DPI，低于要求的 {minimum} DPI",
        "the picture has {actual} dpi, at least {minimum} are wanted",
        "在源系统重新扫描；确认清晰后可请管理员调低数据源的 DPI 下限。",
        "Have it scanned again at the source, or have the data source's limit lowered.",
        permanent=True,
    ),
    Problem(
        "FILE_PIXELS_HIGH",
        "图像 {width}×{height} 像素，超过上限 {limit} 像素",
        "picture of {width}×{height} pixels, the limit is {limit}",
        "疑似异常文件；确认正常后请管理员调高上限。"
        "上限低于规则中的 max_pixels 时，是该格式的内存上限，"
        "请在源系统改存为 JPEG（非渐进式）、PNG 或分条的 TIFF。",
        "Possibly hostile; if it is genuine have the limit raised. A limit below max_pixels is "
        "what fits the memory in that format: store it as baseline JPEG, PNG or TIFF in strips.",
        permanent=True,
    ),
    Problem(
        "FILE_PAGES_HIGH",
        "文件有 {actual} 页，超过上限 {limit} 页",
        "the file has {actual} pages, the limit is {limit}",
        "疑似异常文件；确认正常后请管理员调高上限。",
        "Possibly hostile; if it is genuine have the limit raised.",
        permanent=True,
    ),
    Problem(
        "FILE_PAGE_COUNT_MISMATCH",
        "页数不符：登记 {expected} 页，实际 {actual} 页",
        "page count differs: {expected} declared, {actual} found",
        f"核对该文件是否缺页。{_TELL_SOURCE_ZH}",
        f"Check whether pages are missing. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_CORRUPT",
        "文件损坏，无法打开：{detail}",
        "the file is damaged and does not open: {detail}",
        f"在源系统打开该文件确认，必要时重新扫描。{_TELL_SOURCE_ZH}",
        f"Open it at the source; scan it again if need be. {_TELL_SOURCE_EN}",
        permanent=True,
    ),
    Problem(
        "FILE_HOSTILE",
        "疑似恶意或异常文件，检查时被中止（{detail}）",
        "the file looks hostile or broken; checking it was stopped ({detail})",
        "该文件没有归档；请在源系统人工确认，正常则点“重新同步失败任务”。",
        "It was not archived. Have a person look at it at the source; retry if it is genuine.",
        permanent=True,
    ),
    # The archive and ourselves.
    Problem(
        "ARCHIVE_FULL",
        "归档空间不足",
        "the archive is full",
        "腾出或扩充归档空间；之后自动继续。",
        "Free or add space; the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_UNWRITABLE",
        "归档目录无法写入：{detail}",
        "the archive cannot be written: {detail}",
        "检查归档目录的权限和挂载；之后自动继续。",
        "Check the archive's permissions and mount; the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_MISSING",
        "归档中缺少该文件",
        "the file is missing from the archive",
        "从备份恢复，或重新同步该单据。",
        "Restore it from a backup or sync the document again.",
        permanent=True,
    ),
    Problem(
        "ARCHIVE_DAMAGED",
        "归档中的文件与登记的摘要不符",
        "the archived file no longer matches its digest",
        "从备份恢复，或重新同步该单据；并检查存储设备。",
        "Restore it from a backup or sync again, and check the storage.",
        permanent=True,
    ),
    Problem(
        "ARCHIVE_EXTRA",
        "归档中有账本未登记的文件",
        "the archive holds a file the ledger does not know",
        "确认来源后移走；若有批次正在运行，先等它结束再核对。",
        "Find out where it came from and move it away; verify again when no batch runs.",
        permanent=True,
    ),
    Problem(
        "SECRET_KEY_DIFFERS",
        "本机的密钥（指纹 {here}）与账本登记的（指纹 {ledger}）不同",
        "this host's secret key (fingerprint {here}) is not the ledger's (fingerprint {ledger})",
        "各主机须用同一个密钥：把已在运行的主机上 IMGMIG_HOME 的 secret.key 复制到本机，或设同一个 "
        "PORTAL_SECRET_KEY，再启动。确实更换了密钥时先运行 imgmig db accept-key。",
        "All hosts need the same: copy secret.key from the IMGMIG_HOME of a host that runs, or set "
        "the same PORTAL_SECRET_KEY. If the key was changed on purpose: imgmig db accept-key.",
        permanent=True,
    ),
    Problem(
        "EXECUTOR_TOKEN_DIFFERS",
        "本机自动生成的执行器令牌与其他主机的不同",
        "this host made itself an executor token that is not that of the other hosts",
        "把已在运行的主机上 IMGMIG_HOME 的 executor.token 复制到本机，或在各主机设同一个 "
        "XXL_JOB_ACCESS_TOKEN，再启动。确实更换了令牌时先运行 imgmig db accept-key。",
        "Copy executor.token from the IMGMIG_HOME of a host that runs, or set the same "
        "XXL_JOB_ACCESS_TOKEN on all. If it was changed on purpose: imgmig db accept-key.",
        permanent=True,
    ),
    Problem(
        "HOST_CLOCK",
        "主机 {host} 的时钟与数据库相差 {seconds} 秒（正数为快）",
        "the clock of host {host} is {seconds} s ahead of the database's (negative: behind)",
        "在该主机上启用 NTP 对时（timedatectl、chronyc）。相差过大时，租约会提前或推迟到期："
        "不会丢失或重复，但会白做一部分。",
        "Have it follow NTP (timedatectl, chronyc). With clocks far apart leases end too early or "
        "too late: nothing is lost or doubled, but work is done in vain.",
        permanent=True,
    ),
    Problem(
        "SECRET_UNREADABLE",
        "数据源的密钥无法解密",
        "the data source's secret cannot be decrypted",
        "恢复原来的 PORTAL_SECRET_KEY，或重新填写该数据源的密钥；之后自动继续。",
        "Restore the former PORTAL_SECRET_KEY or enter the secret again; it then goes on alone.",
        permanent=False,
        where="source",
    ),
    Problem(
        "AUDIT_ROW_CHANGED",
        "操作日志第 {event} 条封存后被改动",
        "event {event} of the audit trail was changed after it was sealed",
        f"{_AUDIT_ZH}与备份中的同一条对比，查明改了什么。",
        f"{_AUDIT_EN}compare the event with a backup to see what was changed.",
        permanent=True,
    ),
    Problem(
        "AUDIT_ROW_MISSING",
        "操作日志第 {event} 条封存后被删除",
        "event {event} of the audit trail was deleted after it was sealed",
        f"{_AUDIT_ZH}从备份中取回这一条。",
        f"{_AUDIT_EN}find the event in a backup.",
        permanent=True,
    ),
    Problem(
        "AUDIT_ROW_INSERTED",
        "操作日志第 {event} 条是事后插入的，封存时没有这一条",
        "event {event} was put into the audit trail later: it was not there when its neighbours "
        "were sealed",
        f"{_AUDIT_ZH}这一条不可信。",
        f"{_AUDIT_EN}do not trust this event.",
        permanent=True,
    ),
    Problem(
        "AUDIT_ROW_MOVED",
        "操作日志第 {event} 条的内容原在第 {of} 条，顺序被调换",
        "event {event} of the audit trail holds what was sealed as event {of}: the order was "
        "changed",
        f"{_AUDIT_ZH}与备份对比，恢复原来的顺序。",
        f"{_AUDIT_EN}compare with a backup to see the order there was.",
        permanent=True,
    ),
    Problem(
        "AUDIT_SEAL_CHANGED",
        "第 {no} 个封存被改动（操作日志第 {first} 至 {last} 条）",
        "seal {no} (events {first} to {last}) was changed",
        f"{_AUDIT_ZH}与备份中的 audit_seals 表对比。",
        f"{_AUDIT_EN}compare the table audit_seals with a backup.",
        permanent=True,
    ),
    Problem(
        "AUDIT_SEAL_MISSING",
        "第 {no} 至 {until} 个封存被删除，操作日志第 {event} 条起无法核对",
        "seals {no} to {until} were deleted: events from {event} on cannot be verified",
        f"{_AUDIT_ZH}从备份中取回 audit_seals 表。",
        f"{_AUDIT_EN}find the table audit_seals in a backup.",
        permanent=True,
    ),
    Problem(
        "AUDIT_SEAL_FORGED",
        "第 {no} 个封存（操作日志第 {first} 至 {last} 条）不是用本系统的密钥做的",
        "seal {no} (events {first} to {last}) was not made with this installation's key",
        f"{_AUDIT_ZH}若更换过 PORTAL_SECRET_KEY，用原来的密钥再核对；否则封存链被重做过。",
        f"{_AUDIT_EN}if PORTAL_SECRET_KEY was replaced, verify with the old one; if not, the "
        "chain was rebuilt.",
        permanent=True,
    ),
    Problem(
        "AUDIT_CHAIN_BROKEN",
        "第 {no} 个封存（操作日志第 {first} 至 {last} 条）与前一个封存不衔接",
        "seal {no} (events {first} to {last}) does not follow the seal before it",
        f"{_AUDIT_ZH}与备份中的 audit_seals 表对比。",
        f"{_AUDIT_EN}compare the table audit_seals with a backup.",
        permanent=True,
    ),
    Problem(
        "AUDIT_TAIL_CUT",
        "操作日志第 {event} 条起被截去：锚点记有第 {no} 个封存，现在只到第 {last} 个",
        "the audit trail was cut off at event {event}: an anchor tells of seal {no}, the last one "
        "there is is {last}",
        f"{_AUDIT_ZH}若刚用较早的备份恢复过账本，这是正常结果，请记录在案。",
        f"{_AUDIT_EN}after restoring an older backup of the ledger this is to be expected: put "
        "it on record.",
        permanent=True,
    ),
    Problem(
        "AUDIT_ANCHOR_MISMATCH",
        "锚点与第 {no} 个封存不符：操作日志第 {event} 条起的封存链被重做过",
        "an anchor does not match seal {no}: the chain was rebuilt from event {event} on",
        f"{_AUDIT_ZH}先确认锚点抄写无误、属于本系统。",
        f"{_AUDIT_EN}first make sure that the anchor is of this installation and copied right.",
        permanent=True,
    ),
    Problem(
        "LEDGER_COUNT",
        "账本中登记的数量 {kept} 与逐行清点的 {counted} 不符",
        "the ledger carries a count of {kept}, its rows come to {counted}",
        "单据本身不受影响；把这次核对的结果和日志交给技术支持。",
        "No document is affected; give the outcome of this verification and the log to support.",
        permanent=True,
    ),
    Problem(
        "WORKER_FAILED",
        "工作进程处理该批次时出错（{detail}）",
        "a worker failed at this batch ({detail})",
        "系统会自动再试；若一直失败，请把 worker 的日志交给技术支持。",
        "It is tried again by itself; if it keeps failing, give the worker's log to support.",
        permanent=False,
    ),
    Problem(
        "NOTICE_UNREACHABLE",
        "通知无法送达 {where}（{detail}）",
        "the notification did not get to {where} ({detail})",
        "检查地址、网络和证书；系统会自动再试约一天。",
        "Check the address, the network and the certificate; it is tried again for about a day.",
        permanent=False,
    ),
    Problem(
        "NOTICE_REFUSED",
        "通知被对方拒绝（{detail}）",
        "the notification was refused ({detail})",
        "检查渠道的地址、密钥、关键词或邮箱账号；系统会自动再试约一天。",
        "Check the channel's address, secret, keyword or mail account; it is tried again for about "
        "a day.",
        permanent=False,
    ),
    Problem(
        "CHORE_LOST",
        "后台作业开始了 {times} 次都没有结束",
        "the background task was begun {times} times and never ended",
        "可再发起一次；若仍如此，请把 worker 的日志交给技术支持。",
        "Ask for it again; if it goes the same way, give the worker's log to support.",
        permanent=True,
    ),
    Problem(
        "CHORE_HOST_GONE",
        "主机 {host} 的工作进程已不在，这一作业只能由它做",
        "the workers of host {host}, which alone may do this, are gone",
        "启动该主机的 worker 后再发起；主机已不再使用的，对其余主机再发起即可。",
        "Start its worker and ask again; if the host is not used any more, ask the others.",
        permanent=True,
    ),
    Problem(
        "CHORE_REFUSED",
        "后台作业无法执行：{detail}",
        "the background task cannot be done: {detail}",
        "按原因处理后再发起一次。",
        "Mend what the reason names, then ask for it again.",
        permanent=True,
    ),
    # 确保前提: what keeps a migration from being begun.
    Problem(
        "HOST_UNREACHABLE",
        "连不上 {where}：{detail}",
        "{where} cannot be reached: {detail}",
        "检查该主机的 DNS 解析、防火墙和出口放行；不再使用的下载主机，从数据源的清单中删去。",
        "Check DNS, firewall and outbound rules for that host; remove a download host that is no "
        "longer used from the data source's list.",
        permanent=False,
        where="source",
    ),
    Problem(
        "ARCHIVE_SPACE_SHORT",
        "归档空间不够：还需约 {need}，剩余 {free}",
        "the archive lacks room: about {need} more is needed, {free} is free",
        "扩充归档空间；或缩小采集范围，分批迁移。",
        "Add space to the archive, or migrate a smaller range.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "LEDGER_UNWRITABLE",
        "账本数据库无法写入：{detail}",
        "the ledger's database cannot be written: {detail}",
        "检查数据库是否运行、磁盘是否已满、账号是否有写权限。",
        "Check that the database runs, its disk is not full and its account may write.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "QUEUE_UNWRITABLE",
        "任务队列无法写入：{detail}",
        "the work queue cannot be written: {detail}",
        "检查 PORTAL_QUEUE_URL 所指位置的权限和空间。",
        "Check permissions and space of the place that PORTAL_QUEUE_URL names.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "NO_WORKER_ALIVE",
        "没有工作进程在运行",
        "no worker is alive",
        "在工作主机上启动 `imgmig worker`（或 `imgmig up`），再检查一次。",
        "Start `imgmig worker` (or `imgmig up`) on a worker host, then check again.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "EXECUTOR_UNREGISTERED",
        "执行器没有在 xxl-job 调度中心注册：{detail}",
        "the executor is not registered with the xxl-job admin: {detail}",
        "确认 `imgmig agent` 在运行；核对 XXL_JOB_ADMIN_ADDRESSES、XXL_JOB_ACCESS_TOKEN 和网络。",
        "Check that `imgmig agent` runs; check XXL_JOB_ADMIN_ADDRESSES, XXL_JOB_ACCESS_TOKEN and "
        "the network.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "PREFLIGHT_NO_ANSWER",
        "主机 {host} 没有完成检查",
        "host {host} did not finish the check",
        "确认该主机上的 `imgmig worker` 在运行，再检查一次。",
        "Check that `imgmig worker` runs on that host, then check again.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "EXPORT_TOO_LARGE",
        "导出内容超过 XLSX 文件的 4 GB 上限",
        "the export is more than the 4 GB that an XLSX file can hold",
        "改用 CSV 或 JSONL，或缩小筛选范围后再导出。",
        "Export it as CSV or JSONL, or narrow the filter.",
        permanent=True,
    ),
    Problem(
        "EXPORT_UNWRITABLE",
        "导出文件无法写入（{detail}）",
        "the export cannot be written ({detail})",
        "检查各工作主机 IMGMIG_HOME 的权限与磁盘空间后再导出。",
        "Check the permissions and free space of IMGMIG_HOME on the worker hosts.",
        permanent=True,
    ),
    Problem(
        "SAMPLE_MANIFEST",
        "封存的清单读不到或已被改动（{detail}）",
        "the sealed manifest cannot be read or was changed ({detail})",
        "从备份恢复归档中 .kept/samples 下的文件；被改动过的清单不能再用，请另做一次抽查。",
        "Restore the file below .kept/samples in the archive from a backup; a changed manifest is "
        "of no use any more: begin another sample.",
        permanent=True,
    ),
    Problem(
        "INTERNAL",
        "系统内部错误（{detail}）",
        "internal error ({detail})",
        f"{_AUTO_ZH}把日志交给技术支持。",
        f"{_AUTO_EN}give the log to support.",
        permanent=False,
    ),
)

PROBLEMS: dict[str, Problem] = {problem.code: problem for problem in _CATALOGUE}


def markdown_table() -> str:
    """The catalogue for operators, as the Markdown page ``docs/zh/错误码.md``."""
    rows = [
        f"| `{problem.code}` | {problem.zh} | {problem.action_zh} | "
        f"{'否' if problem.permanent else '是'} |"
        for problem in PROBLEMS.values()
    ]
    return "\n".join(
        (
            "# 错误码",
            "",
            "由 `python -m portal.errors` 生成，请勿手工修改。花括号处在实际信息中是具体的值。",
            "“自动重试”为“否”的错误当场记为失败，原因排除后用“重新同步失败任务”再试。",
            "",
            "| 错误码 | 原因 | 处理措施 | 自动重试 |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )


if __name__ == "__main__":
    print(markdown_table(), end="")  # noqa: T201
