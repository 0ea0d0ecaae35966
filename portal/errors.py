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

from portal.logs.redaction import redactor

Where = Literal["document", "source", "archive", "target"]


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
    when the source serves anything at all (see :mod:`portal.sync.transfer.blame`). Of a target's no
    document is blamed as long as the target serves none."""


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
    :param params: plain values that fill the texts; kept with the item, and so without the
        secrets that somebody else may have put there: a source that repeats a token, an address
    :raises KeyError: if the code is not in the catalogue
    """

    def __init__(self, code: str, *, retry_after: float | None = None, **params: object) -> None:
        self.problem = PROBLEMS[code]
        self.params: dict[str, Any] = {name: _kept(value) for name, value in params.items()}
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


def _kept(value: object) -> object:
    return redactor.redact(value) if isinstance(value, str) else value


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
        "ADDRESS_FORBIDDEN",
        "{host} 是不允许连接的地址（{address}）",
        "{host} is an address that may not be connected to ({address})",
        "核对所填的主机名及其 DNS：本机元数据、链路本地、组播和 0.0.0.0 等地址一律不连接；"
        "确需连接时，把网段写进 PORTAL_OUTBOUND_NETWORKS 后重启。",
        "Check the host's name and its DNS: metadata, link-local and multicast addresses, 0.0.0.0 "
        "and the like are never connected to; if it has to be, name the network in "
        "PORTAL_OUTBOUND_NETWORKS and restart.",
        permanent=True,
        where="source",
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
    Problem(
        "SRC_LISTING_REPLACED",
        "列表在读取期间被换成了别的内容，已从头读过 {rounds} 次",
        "the listing was replaced while it was read, {rounds} times",
        "等清单（或数据库中的数据）不再改动后，重新同步该月份。",
        "Sync the month again when the manifest, or what the query reads, is no longer changed.",
        permanent=True,
    ),
    # Sources that are tables of rows beside files: manifests, queries.
    Problem(
        "META_BAD_LINE",
        "清单第 {line} 行不能读取：{detail}",
        "line {line} of the manifest cannot be read: {detail}",
        "改正清单的这一行，再点“重新同步失败任务”。",
        "Correct this line of the manifest, then retry.",
        permanent=True,
    ),
    Problem(
        "META_CONTRADICTION",
        "清单第 {line} 行与第 {first} 行说的是同一单据，{field} 却不同",
        "lines {line} and {first} of the manifest are of one document and differ in {field}",
        "改正清单：同一单据的各行，单据信息须完全相同。再点“重新同步失败任务”。",
        "Correct the manifest: all lines of a document say the same of it. Then retry.",
        permanent=True,
    ),
    Problem(
        "META_BAD_PATH",
        "清单第 {line} 行的文件路径不允许：{detail}（{path}）",
        "line {line} of the manifest has a path that is not allowed: {detail} ({path})",
        "路径从数据源的文件夹（或前缀）写起，用 / 分隔，不含 ..，不以 / 开头。改正清单后，"
        "点“重新同步失败任务”。",
        "Write paths from the data source's folder or prefix on, with / and without .., and no / "
        "at the beginning. Correct the manifest, then retry.",
        permanent=True,
    ),
    Problem(
        "SRC_FILE_MISSING",
        "所列的文件不存在：{path}",
        "the listed file is not there: {path}",
        "把文件放到该处，或改正清单（查询）中的路径，再点“重新同步失败任务”。",
        "Put the file there, or correct the path in the manifest or query, then retry.",
        permanent=True,
        where="source",
    ),
    Problem(
        "SRC_FILE_UNSAFE",
        "所列的文件不读取：{path}（{detail}）",
        "the listed file is not read: {path} ({detail})",
        "只读取普通文件，不经过符号链接。把文件本身放到该处，再点“重新同步失败任务”。",
        "Only regular files are read, and through no symbolic link. Put the file itself there, "
        "then retry.",
        permanent=True,
    ),
    Problem(
        "SRC_FILE_UNREADABLE",
        "文件不能读取：{path}（{detail}）",
        "the file cannot be read: {path} ({detail})",
        f"{_AUTO_ZH}检查文件的权限，以及文件夹所在的磁盘或网络共享。",
        f"{_AUTO_EN}check the file's permissions, and the disk or share the folder is on.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_PLACE",
        "数据源的文件夹不能读取：{place}（{detail}）",
        "the data source's folder cannot be read: {place} ({detail})",
        f"{_AUTO_ZH}确认每台工作主机都挂载了该文件夹，且运行本系统的用户可以读取。",
        f"{_AUTO_EN}see that every worker host has the folder mounted, and that the user this "
        "runs as may read it.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_PLACE_OURS",
        "{place} 与本系统自己的数据目录（IMGMIG_HOME）重叠，不作为数据源",
        "{place} overlaps this installation's own home (IMGMIG_HOME) and is no source",
        "把要迁移的文件放到别的文件夹，再改数据源的设置。",
        "Put what is to be migrated into another folder and change the data source.",
        permanent=True,
        where="source",
    ),
    Problem(
        "SRC_MANIFEST",
        "清单 {name} 不能读取：{detail}",
        "the manifest {name} cannot be read: {detail}",
        f"{_AUTO_ZH}检查清单是否在该处、能否读取。",
        f"{_AUTO_EN}see that the manifest is there and may be read.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SRC_MANIFEST_HEADER",
        "清单 {name} 的第 {line} 行（列名）有误：{detail}",
        "line {line} of the manifest {name}, the names of its columns, is wrong: {detail}",
        "改正清单的列名（可用的列名见《清单数据源》），再重新同步。",
        "Correct the names of the columns (the manual lists them), then sync again.",
        permanent=True,
    ),
    Problem(
        "SRC_MANIFEST_CHANGED",
        "清单 {name} 正在被改写",
        "the manifest {name} is being written",
        f"{_AUTO_ZH}等清单写完。先写成别的名称，再改名，就不会读到一半。",
        f"{_AUTO_EN}wait until it is written. Write it under another name, then rename it.",
        permanent=False,
    ),
    Problem(
        "SRC_SPOOL",
        "不能在本机的数据目录（IMGMIG_HOME）中写清单的索引：{detail}",
        "the index of the manifest cannot be written to this host's home (IMGMIG_HOME): {detail}",
        f"{_AUTO_ZH}检查磁盘空间和权限；索引约为清单大小的两倍。",
        f"{_AUTO_EN}check room and permissions; the index is about twice the manifest's size.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SQL_UNREACHABLE",
        "不能连接源数据库：{detail}",
        "no connection to the source's database: {detail}",
        f"{_AUTO_ZH}检查数据库地址、账号和网络。",
        f"{_AUTO_EN}check the database's address, account and network.",
        permanent=False,
        where="source",
    ),
    Problem(
        "SQL_DRIVER",
        "没有安装访问 {dialect} 的驱动：{detail}",
        "the driver for {dialect} is not installed: {detail}",
        "可直接使用 sqlite、postgresql、mysql、mariadb；其他数据库请管理员把驱动装进本系统的环境，"
        "或先导出为清单（CSV）。",
        "sqlite, postgresql, mysql and mariadb come along; for others install the driver, or "
        "export a manifest (CSV).",
        permanent=True,
        where="source",
    ),
    Problem(
        "SQL_QUERY",
        "源数据库拒绝了查询：{detail}",
        "the source's database refused the query: {detail}",
        "用只读账号在数据库中试运行该查询，改正后再重新同步。",
        "Try the query in the database with the read-only account, correct it, then sync again.",
        permanent=True,
    ),
    Problem(
        "SQL_COLUMNS",
        "查询结果的列有误：{detail}",
        "the columns of the query's result are wrong: {detail}",
        "在查询中用 AS 给出列名（见《数据库数据源》），再重新同步。",
        "Name the columns with AS in the query (see the manual), then sync again.",
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
        "ARCHIVE_UNREACHABLE",
        "归档存储连接不上或中断：{detail}",
        "the archive's store cannot be reached, or broke off: {detail}",
        "检查 PORTAL_ARCHIVE_URL 的 endpoint、DNS、防火墙、证书，及存储服务是否运行；"
        "之后自动继续。",
        "Check the endpoint in PORTAL_ARCHIVE_URL, DNS, firewall, certificate and whether the "
        "store runs; the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_BUSY",
        "归档存储忙或内部出错：{detail}",
        "the archive's store is busy or has an error of its own: {detail}",
        "通常自行恢复；一直不恢复时请存储管理员查看其日志与限流设置。",
        "It usually passes; if not, have the store's administrator look at its log and limits.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_CREDENTIALS",
        "归档存储不接受密钥：{detail}",
        "the archive's store does not accept the keys: {detail}",
        "核对 PORTAL_S3_ACCESS_KEY_ID 与 PORTAL_S3_SECRET_ACCESS_KEY（或所用的 AWS 环境），"
        "改正后重启。",
        "Check PORTAL_S3_ACCESS_KEY_ID and PORTAL_S3_SECRET_ACCESS_KEY (or the AWS environment "
        "in use) and restart.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_DENIED",
        "归档存储拒绝了操作：{detail}",
        "the archive's store denies: {detail}",
        "让存储管理员按安装文档中的策略，为该密钥放行这项操作；之后自动继续。",
        "Have the store's administrator allow it to these keys, by the policy in the installation "
        "guide; the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_CLOCK",
        "本机与归档存储的时钟相差太多：{detail}",
        "the clocks of this host and of the archive's store differ too much: {detail}",
        "在两边启用 NTP 对时；之后自动继续。",
        "Synchronise both with NTP; the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_NO_BUCKET",
        "归档的存储桶不存在，或不在该地域：{detail}",
        "the archive's bucket does not exist, or is in another region: {detail}",
        "建好存储桶，或改正 PORTAL_ARCHIVE_URL 的桶名、region、endpoint 后重启。",
        "Make the bucket, or correct bucket, region and endpoint in PORTAL_ARCHIVE_URL and "
        "restart.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_REFUSED",
        "归档存储不接受请求：{detail}",
        "the archive's store refuses a request: {detail}",
        f"{_AUTO_ZH}把存储服务的品牌、版本和这里的信息交给技术支持。",
        f"{_AUTO_EN}give brand and version of the store and this message to support.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_TAKEN",
        "归档中已有同名对象：{detail}",
        "the archive has another object of that name already: {detail}",
        f"{_AUTO_ZH}一个桶前缀只能给一套安装使用，查明是谁写入的。",
        f"{_AUTO_EN}one prefix of a bucket is for one installation only; find out who wrote it.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_UNPROVED",
        "写入归档后读回的内容不一致：{detail}",
        "what was stored comes back different: {detail}",
        f"{_AUTO_ZH}检查存储服务、网关和本机磁盘是否改动了内容。",
        f"{_AUTO_EN}check whether the store, a gateway or the disk of this host changes contents.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_SCRATCH_FULL",
        "本机暂存空间不足：剩余 {free}",
        "the scratch space of this host is short: {free} free",
        "在 IMGMIG_HOME 所在磁盘腾出空间（文件上传前在其 scratch 目录中检查）；之后自动继续。",
        "Free space on the disk of IMGMIG_HOME (files are checked in its folder scratch before "
        "they are sent); the batch then goes on by itself.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "ARCHIVE_SCRATCH",
        "本机暂存目录无法写入：{detail}",
        "the scratch folder of this host cannot be written: {detail}",
        "检查 IMGMIG_HOME 下 scratch 目录的权限和磁盘；之后自动继续。",
        "Check the permissions and the disk of the folder scratch in IMGMIG_HOME; the batch then "
        "goes on by itself.",
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
        "PORTAL_SECRET_KEY，再启动。imgmig key rotate 中断了就再执行一次；"
        "不经它更换的，先运行 imgmig db accept-key。",
        "All hosts need the same: copy secret.key from the IMGMIG_HOME of a host that runs, or set "
        "the same PORTAL_SECRET_KEY. If imgmig key rotate was interrupted run it again; if the key "
        "was changed without it: imgmig db accept-key.",
        permanent=True,
    ),
    Problem(
        "SECRET_KEY_CHANGED",
        "密钥已更换，本进程仍在使用旧密钥",
        "the secret key was replaced, and this process still uses the old one",
        "重新启动本主机上的进程；密钥由 PORTAL_SECRET_KEY 或 PORTAL_SECRET_KEY_FILE 给出的，"
        "先改为新密钥。再做一次即可，没有写入任何内容。",
        "Start this host's processes again; where PORTAL_SECRET_KEY or PORTAL_SECRET_KEY_FILE "
        "gives the key, give the new one first. Then do it once more: nothing was written.",
        permanent=False,
    ),
    Problem(
        "KEY_FILE_UNWRITABLE",
        "密钥文件 {path} 无法替换：{detail}",
        "the key file {path} cannot be replaced: {detail}",
        "用有权写入该目录的用户再执行一次；不能写入时，用 --new-key-file 给出新密钥，再自行替换。"
        "账本已更换而文件没有的，新密钥在 {path}.new 中。",
        "Run it again as somebody who may write to its folder; where nobody may, give the new key "
        "with --new-key-file and put it there yourself. If the ledger has the new key already it "
        "lies in {path}.new.",
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
        f"{_AUDIT_ZH}若不经 imgmig key rotate 更换过密钥，旧封存都会这样报；否则封存链被重做过。",
        f"{_AUDIT_EN}if the secret key was replaced without imgmig key rotate, all older seals "
        "look like this; if not, the chain was rebuilt.",
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
    # Reading the older procedure's settings.
    Problem(
        "ZK_UNREACHABLE",
        "连不上 ZooKeeper：{detail}",
        "ZooKeeper cannot be reached: {detail}",
        "检查地址和端口（通常是 2181，不是 zkui 的端口）、防火墙，以及 ZooKeeper 是否在运行；"
        "连不上时，可在 zkui 中导出后用“粘贴或上传”导入。",
        "Check address and port (2181 as a rule, not zkui's), the firewall, and whether ZooKeeper "
        "runs; if it stays out of reach, export the settings in zkui and paste or upload them.",
        permanent=False,
    ),
    Problem(
        "ZK_TIMEOUT",
        "{servers} 在 {seconds} 秒内没有像 ZooKeeper 那样应答",
        "{servers} did not answer as a ZooKeeper does within {seconds} seconds",
        "检查地址、DNS 和防火墙；确认那是 ZooKeeper 的客户端端口（通常是 2181），"
        "且集群有过半数节点在运行；之后再试。",
        "Check address, DNS and firewall; make sure it is the port for ZooKeeper's clients (2181 "
        "as a rule) and that most of the ensemble runs; then try again.",
        permanent=False,
    ),
    Problem(
        "ZK_NO_PATH",
        "ZooKeeper 中没有 {path}；{parent} 下有：{names}",
        "there is no {path} in ZooKeeper; below {parent} there are: {names}",
        "在 zkui 中查看四项配置的路径，按它改正；地址带根路径的（主机:端口/根），检查根是否正确。",
        "Look up the path of the four settings in zkui; if the address has a root "
        "(host:port/root), check that too.",
        permanent=True,
    ),
    Problem(
        "ZK_REFUSED",
        "ZooKeeper 拒绝读取 {path}",
        "ZooKeeper refuses to let {path} be read",
        "该路径有访问控制（ACL）：填写有读权限的用户名和密码（digest）；"
        "没有的，请 ZooKeeper 管理员授予读权限，或在 zkui 中导出后粘贴。",
        "The path is under access control (ACL): give a user and password (digest) that may read "
        "it; else have its administrator grant that, or export the settings in zkui.",
        permanent=True,
    ),
    Problem(
        "ZK_NO_SETTINGS",
        "{path} 中没有四项配置中的任何一项；那里有：{names}",
        "{path} holds none of the four settings; it holds: {names}",
        "确认路径（通常是 api-archive-scan/pri）；配置在下一级的，路径写到那一级。",
        "Check the path (api-archive-scan/pri as a rule); if the settings lie one level deeper, "
        "name that level.",
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
        "LEDGER_BUSY",
        "账本数据库正忙或暂时连接不上",
        "the ledger's database is busy or cannot be reached just now",
        "没有做任何更改；请稍后再试。若一直如此，检查数据库是否运行。",
        "Nothing was changed; try again shortly. If it lasts, check that the database runs.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "QUEUE_UNREACHABLE",
        "任务队列连不上：{detail}",
        "the work queue cannot be reached: {detail}",
        "检查 PORTAL_QUEUE_URL 所指的服务器是否运行、网络和口令；恢复后自动继续，什么也不会丢失。",
        "Check that the server named by PORTAL_QUEUE_URL runs, the network and the password; work "
        "goes on by itself then, and nothing is lost.",
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
    # What a running installation is asked: can it work?
    Problem(
        "LEDGER_AWAY",
        "账本数据库无法使用",
        "the ledger's database cannot be used",
        "检查数据库是否运行、PORTAL_DATABASE_URL 是否正确、网络是否可达；详情见日志。",
        "Check that the database runs, that PORTAL_DATABASE_URL is right and the network lets "
        "through; the log says more.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "SCHEMA_NOT_CURRENT",
        "账本结构与本程序的版本不一致",
        "the ledger's schema is not the one of this program",
        "停止旧版本的进程，运行 `imgmig db upgrade`；账本比程序新时，请升级程序。",
        "Stop processes of the old version and run `imgmig db upgrade`; if the ledger is newer "
        "than the program, upgrade the program.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "NO_AGENT_ALIVE",
        "没有代理进程在运行",
        "no agent is alive",
        "启动 `imgmig agent`（或 `imgmig up`）；它在运行时，看它的日志。",
        "Start `imgmig agent` (or `imgmig up`); if it runs, look at its log.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "PROCESS_NOT_ALIVE",
        "主机 {host} 上没有 {kind} 进程在运行",
        "no {kind} process is alive on host {host}",
        "启动它；它在运行时，看它的日志：它可能连不上账本，或者卡住了。",
        "Start it; if it runs, look at its log: it may not reach the ledger, or be stuck.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "DISK_SHORT",
        "磁盘空间不足",
        "disk space is short",
        "腾出或扩充空间：IMGMIG_HOME 所在磁盘至少留 500 MB，归档至少 1 GB。",
        "Free or add space: at least 500 MB on the disk of IMGMIG_HOME, 1 GB for the archive.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "CHECK_TIMEOUT",
        "检查没有在时限内得到回答",
        "the check had no answer in time",
        "看其他检查项和日志；通常是数据库、共享存储或网络挂起。",
        "Look at the other checks and the log; usually a database, a mount or the network hangs.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "BACKUP_FULL",
        "备份目录空间不足（{path}）",
        "there is no room left for the backup ({path})",
        "腾出空间或换一个更大的磁盘，再执行一次；已复制的影像文件不会重复复制。",
        "Make room or use a larger disk, then run it again; files copied so far are kept.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "BACKUP_UNWRITABLE",
        "备份目录无法写入（{path}：{detail}）",
        "the backup cannot be written ({path}: {detail})",
        "检查目录的权限、挂载和磁盘，再执行一次。",
        "Check the folder's permissions, mount and disk, then run it again.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "BACKUP_ROW",
        "账本表 {table} 中有读不懂的值（{detail}）",
        "table {table} of the ledger holds a value that cannot be read ({detail})",
        "不是本系统写入的值：用数据库自己的工具原样保存一份，"
        "执行 imgmig audit verify，并交给技术支持。",
        "No program of ours wrote it: keep a copy made with the database's own tools, run "
        "imgmig audit verify, and give it to support.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_UNREADABLE",
        "备份无法读取（{path}：{detail}）",
        "the backup cannot be read ({path}: {detail})",
        "确认给出的是备份目录，且本程序不比做备份的版本旧。",
        "Make sure that the folder is a backup's, made by a release no later than this one.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_DAMAGED",
        "备份已损坏：{path} 缺失或与清单不符",
        "the backup is damaged: {path} is missing or not what its manifest says",
        "没有写入任何账本内容。换用另一份备份（较早的一次，或另一处的副本），并检查备份所在的磁盘。",
        "Nothing was written to the ledger. Use another backup, an earlier one or a copy kept "
        "elsewhere, and check the disk this one lies on.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_KEY",
        "密钥不是做备份的那个系统的，或没有给出；也可能清单被改动过",
        "the secret key is missing or not that of the installation the backup was made of, or the "
        "manifest was changed",
        "用 PORTAL_SECRET_KEY_FILE 给出原来的密钥，"
        "或把原来的 secret.key 放进 IMGMIG_HOME，再执行一次。",
        "Give the original key by PORTAL_SECRET_KEY_FILE, or put the original secret.key into "
        "IMGMIG_HOME, then run it again.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_NEWER",
        "备份的账本结构是 {revision}，本程序不认识",
        "the backup's schema is {revision}, which this program does not know",
        "用做备份的版本或更新的版本来恢复。",
        "Restore it with the release it was made with, or a later one.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "RESTORE_NOT_EMPTY",
        "不是空的系统，不能恢复：已有 {what}",
        "this is no empty installation: there is {what}",
        "恢复只写入空的系统。指定新的 IMGMIG_HOME、空的数据库和空的归档；"
        "确认不再需要旧的，先把它移走。",
        "A backup is restored into nothing only: name a new IMGMIG_HOME, an empty database and an "
        "empty archive, or move the old ones away once they are not needed.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "RESTORE_DIFFERS",
        "恢复后的表 {table} 与备份不符，已全部撤回",
        "table {table} was not the backup's once it was restored; all of it was taken back",
        "账本仍是空的。多半是目标数据库保存不了原来的精度或字符；换与备份相同种类的数据库恢复，并交给技术支持。",
        "The ledger is still empty. The database may not keep numbers or texts as exactly: restore "
        "into the kind the backup was made of, and tell support.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "AUDIT_TAIL_RESTORED",
        "锚点记有第 {no} 个封存，但账本在 {at} 由 {by} 用备份 {backup} 恢复过，"
        "备份只到第 {seal} 个封存",
        "an anchor tells of seal {no}, but the ledger was restored at {at} by {by} from the backup "
        "{backup}, whose last seal is {seal}",
        "看锚点是何时记下的：早于恢复时间，它属于恢复时丢失的那一段，与恢复记录一并存档即可；晚于恢复时间，"
        "则日志在恢复之后被改动过，按 AUDIT_ANCHOR_MISMATCH 处理。",
        "See when the anchor was taken down: before the restore, it belongs to the part that was "
        "lost then, which is to be put on record; after it, the trail was changed since: act as "
        "for AUDIT_ANCHOR_MISMATCH.",
        permanent=True,
    ),
    Problem(
        "SCHEMA_TOO_NEW",
        "账本结构属于更新的版本，本程序不能再使用它",
        "the schema is a later release's, and this program can no longer work on it",
        "在本机安装新版本，再启动各进程。",
        "Install the new release on this host, then start its processes.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SCHEMA_BUSY",
        "账本一直被占用，结构没有升级（{detail}）",
        "the ledger was in use all the time, its schema was not upgraded ({detail})",
        "没有改动任何内容，进程照常工作。稍后再执行；若反复如此，先停止各进程。",
        "Nothing was changed and everything goes on. Try again later, or stop the processes first.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "SCHEMA_IN_USE",
        "这次升级后旧版本的进程不能继续工作，而现在还有进程在运行：{who}",
        "programs of the release before cannot work on after this upgrade, and some are "
        "running: {who}",
        "停止所有主机上的 web、worker、agent，再执行 imgmig db upgrade。",
        "Stop web, worker and agent on every host, then run imgmig db upgrade.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOST_SQLITE",
        "SQLite {version} 太旧，至少需要 {least}",
        "SQLite {version} is too old, {least} is the least",
        "换用带有更新 SQLite 的 Python。",
        "Use a Python that brings a newer SQLite.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOST_LIBRARY",
        "程序库 {name} 无法载入（{detail}）",
        "the library {name} cannot be loaded ({detail})",
        "重新执行 make setup；仍不行则安装提示中缺少的系统库。",
        "Run make setup again; install the system library named here if that does not help.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOST_FONTS",
        "没有中文字体，未嵌入字体的 PDF、OFD 预览会缺字",
        "there is no Chinese font: previews of files without fonts of their own lack characters",
        "安装一种中文字体，如 apt install fonts-noto-cjk，再重启 web 进程。原文件与归档不受影响。",
        "Install one, such as fonts-noto-cjk, and restart the web processes. Archived files"
        " are not affected.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOST_FILES",
        "可打开的文件数上限 {limit} 偏低，建议至少 {least}",
        "only {limit} files may be open at once, {least} or more are advised",
        "在服务单元中设 LimitNOFILE=65536，或 ulimit -n 65536，再重启各进程。",
        "Set LimitNOFILE=65536 in the service units, or ulimit -n 65536, and restart.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "DISK_NETWORK",
        "{path} 在网络文件系统（{kind}）上，SQLite 的锁在那里不可靠",
        "{path} lies on a network file system ({kind}), where SQLite's locks cannot be trusted",
        "把 IMGMIG_HOME 放在本机磁盘，或改用 PostgreSQL 账本。",
        "Put IMGMIG_HOME on a local disk, or use PostgreSQL as the ledger.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "DISK_FORGETS",
        "{path} 在 {kind} 上，重启或重建容器后内容会丢失",
        "{path} lies on {kind}, which forgets everything when the host or container is "
        "started anew",
        "换成持久的磁盘或卷。",
        "Use a disk or volume that lasts.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "DISK_UNFLUSHED",
        "{path}（{kind}）以不落盘的方式挂载（nobarrier），断电会丢失已登记的文件",
        "{path} ({kind}) is mounted without barriers: a power cut loses what was recorded",
        "去掉挂载选项 nobarrier 或 barrier=0，重新挂载。",
        "Mount it without nobarrier or barrier=0.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "ARCHIVE_CASE",
        "归档所在的文件系统不区分大小写（{path}），只差大小写的影像编号会互相冲突",
        "the archive's file system ignores case ({path}): numbers that differ in case only collide",
        "换用区分大小写的文件系统。",
        "Use a file system that tells upper from lower case.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SETTING_EXPOSED",
        "直接监听 {host}，前面没有反向代理，登录密码会明文传输",
        "it listens on {host} with no proxy before it, so passwords travel in the clear",
        "在前面放带 TLS 的反向代理并设 PORTAL_TRUSTED_PROXIES；或只监听 127.0.0.1。",
        "Put a TLS proxy before it and set PORTAL_TRUSTED_PROXIES, or listen on 127.0.0.1 only.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SETTING_NO_TOKEN",
        "允许没有令牌的调用（XXL_JOB_ALLOW_NO_TOKEN）",
        "calls without a token are allowed (XXL_JOB_ALLOW_NO_TOKEN)",
        "给调度中心设 accessToken 后关闭它；暂时做不到的，用 XXL_JOB_ALLOWED_NETWORKS 限制网段。",
        "Give the admin an accessToken and turn this off, or limit it by XXL_JOB_ALLOWED_NETWORKS.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SETTING_SHORT_TOKEN",
        "执行器令牌短于 {least} 个字符，容易被猜到",
        "the executor's token is shorter than {least} characters and can be guessed",
        "换成随机的长令牌，与调度中心一致。",
        "Use a long random one, the same at the admin.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SETTING_LOOPBACK",
        "注册给调度中心的地址是 {address}，别的机器访问不到",
        "the address told to the admin is {address}, which no other machine can reach",
        "设 XXL_JOB_EXECUTOR_ADDRESS 为调度中心可达的地址。",
        "Set XXL_JOB_EXECUTOR_ADDRESS to one that the admin can reach.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SECRET_EXPOSED",
        "{path} 别人可读",
        "others can read {path}",
        "执行 chmod 600；若可能已被读取，更换其中的密钥或令牌。",
        "Run chmod 600 on it; change the secret if it may have been read.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOME_EXPOSED",
        "{path} 对本机所有用户可读",
        "every user of this machine can read {path}",
        "执行 chmod o-rwx。",
        "Run chmod o-rwx on it.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "LEDGER_DAMAGED",
        "账本文件损坏（{detail}）",
        "the ledger's file is damaged ({detail})",
        "停止各进程，保留原文件，从最近的备份恢复，并检查磁盘。",
        "Stop everything, keep the file, restore the newest backup and check the disk.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "LEDGER_WAL",
        "账本的预写日志已有 {size}，没有并回",
        "the ledger's write-ahead log has grown to {size} and is not folded back",
        "找出长时间读取账本的程序（如手工打开的 sqlite3、未结束的备份），结束它。",
        "Find what reads the ledger for so long, such as a sqlite3 left open or a backup, "
        "and end it.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "PROCESS_NONE",
        "没有 {kind} 进程在运行",
        "no {kind} process is running",
        "启动 imgmig up，或分别启动 imgmig web 与 imgmig worker。",
        "Start imgmig up, or imgmig web and imgmig worker.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "LEASES_STALE",
        "{count} 份单据的租约早已过期而无人接手",
        "{count} documents have leases that ran out long ago, and nobody took over",
        "确认工作进程与代理进程都在运行；仍如此请把日志交给技术支持。",
        "Make sure that workers and agent run; give the logs to support if it stays so.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "HOLDS_OPEN",
        "{count} 处暂缓中",
        "{count} holds are in force",
        "在批次页看原因并排除；排除后自动继续。",
        "See the reasons on the batches' pages and mend them; work then goes on by itself.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "NOTICES_WAITING",
        "{count} 条通知没有送达",
        "{count} notices were not delivered",
        "在“通知”页看原因，改正渠道后重发。",
        "See why on the page of notices, mend the channel and send them again.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "RESULTS_WAITING",
        "{count} 个执行结果超过十分钟没有送达调度中心",
        "{count} results have waited for the admin for more than ten minutes",
        "在“任务执行”页看调度中心的回答，检查地址与令牌。",
        "See what the admin says on the page of job runs; check its address and the token.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "SEALING_LATE",
        "有 {count} 条操作日志没有及时封存，最早 {since}",
        "{count} audit events are not sealed in time, the oldest of {since}",
        "启动或重启 imgmig agent。",
        "Start imgmig agent, or start it anew.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "ANCHORS_ABSENT",
        "本机没有锚点文件 {path}",
        "this host has no file of anchors, {path}",
        "代理进程在哪台主机运行，锚点就在哪里；在那里检查，并把它收集到另一台机器。",
        "It is written where the agent runs: look there, and collect it on another machine.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_NONE",
        "从未备份",
        "no backup was ever made",
        "每天执行 imgmig backup 到另一块磁盘，并演练恢复。",
        "Run imgmig backup daily to another disk, and practise restoring it.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "BACKUP_OLD",
        "最近一次备份是 {hours} 小时前的",
        "the newest backup is {hours} hours old",
        "检查定时任务；立即执行一次 imgmig backup。",
        "Check the timer; run imgmig backup now.",
        permanent=True,
        where="archive",
    ),
    Problem(
        "LOGIN_TOO_MANY",
        "密码错误次数过多，请 {seconds} 秒后再试",
        "too many wrong passwords; try again in {seconds} s",
        "稍等后再登录，最多等 30 秒；忘记密码时请管理员重设，管理员用 imgmig user passwd。",
        "Wait, 30 s at most, and log in again. Of a forgotten password an admin sets a new one;"
        " an admin's own: imgmig user passwd.",
        permanent=False,
        where="archive",
    ),
    Problem(
        "TGT_CONNECTION",
        "无法连接目标系统（{detail}）",
        "no connection to the target ({detail})",
        "推送已暂停并会自动重试；检查目标的地址、网络和服务是否正常。",
        "Pushing waits and is tried again by itself; check the target's address, network, service.",
        permanent=False,
        where="target",
    ),
    Problem(
        "TGT_TIMEOUT",
        "目标系统在 {seconds} 秒内没有应答（{call}）",
        "the target did not answer within {seconds} s ({call})",
        "会自动重试；反复出现时降低目标的并发上限，或请目标系统管理员检查。",
        "It is tried again; if it lasts, lower the target's concurrency or tell its administrator.",
        permanent=False,
        where="target",
    ),
    Problem(
        "TGT_TLS",
        "与目标系统的加密连接失败（{detail}）",
        "the TLS connection to the target failed ({detail})",
        "推送已暂停；内部机构签发的证书须填入目标的“私有证书”。",
        "Pushing waits; a certificate of a private authority belongs into the target's private CA.",
        permanent=True,
        where="target",
    ),
    Problem(
        "TGT_LOGIN",
        "目标系统拒绝登录（{call}：{errcode} {description}）",
        "the target refused the login ({call}: {errcode} {description})",
        "推送已暂停；核对应用 ID、密钥、账套、租户和用户，并在目标页面测试连接。",
        "Pushing waits; check app id, secret, account, tenant and user, then test the connection.",
        permanent=True,
        where="target",
    ),
    Problem(
        "TGT_THROTTLED",
        "目标系统要求放慢（HTTP {status}）",
        "the target asks to slow down (HTTP {status})",
        "推送会自动放慢后继续；反复出现时降低目标的并发或速率上限。",
        "Pushing goes on more slowly by itself; if it lasts, lower the target's caps.",
        permanent=False,
        where="target",
    ),
    Problem(
        "TGT_SERVER_ERROR",
        "目标系统内部错误（{call}：HTTP {status}）",
        "the target has an internal error ({call}: HTTP {status})",
        "会自动重试；反复出现时请目标系统管理员检查。",
        "It is tried again; if it lasts, tell the target's administrator.",
        permanent=False,
        where="target",
    ),
    Problem(
        "TGT_BAD_ANSWER",
        "目标系统的应答无法识别（{call}：{detail}）",
        "the target's answer cannot be read ({call}: {detail})",
        "会自动重试；检查目标的地址是否正确，是否经过了登录页或网关。",
        "It is tried again; check the target's address, and whether a gateway answers instead.",
        permanent=False,
        where="target",
    ),
    Problem(
        "TGT_REFUSED",
        "目标系统拒绝了该单据（{call}：{errcode} {description}）",
        "the target refused the document ({call}: {errcode} {description})",
        "按目标系统给出的原因处理（如单据类型、组织未建立），然后点“重新推送失败单据”。",
        "Settle what the target says (an unknown document type, say), then push the failed again.",
        permanent=True,
    ),
    Problem(
        "TGT_FILE_TOO_LARGE",
        "文件 {name} 有 {size} 字节，超过目标的单个文件上限 {limit}",
        "the file {name} has {size} bytes, the target's limit is {limit}",
        "目标系统能接收更大的文件时，调高目标的“单个文件上限”，再重新推送；该单据仍在归档中。",
        "Raise the target's limit if it takes larger files, then push again; it stays archived.",
        permanent=True,
    ),
    Problem(
        "TGT_NO_BILL_ID",
        "单据没有可作为 fbillId 的值（{field}）",
        "the document has no value for fbillId ({field})",
        "在目标的“单据 ID 取自”中换一个字段，再重新推送。",
        "Choose another field for the bill id in the target's settings, then push again.",
        permanent=True,
    ),
    Problem(
        "TGT_TAKEN",
        "目标系统中的同一影像编号和来源系统属于另一数据源的单据（{source}）",
        "the target has another data source's document of that number and resource ({source})",
        "目标系统只认影像编号 + 来源系统；核对两个数据源是否真有重号，重号的须在源系统中更正。",
        "The target knows documents by number and resource only; mend the number at the source.",
        permanent=True,
    ),
    Problem(
        "TGT_NOT_FOUND",
        "目标系统查不到已推送的单据",
        "the target does not know the document that was pushed",
        "会自动再查几次；仍查不到时请目标系统管理员检查，再重新推送。",
        "It is asked for again; if it stays away, tell the target's administrator and push again.",
        permanent=False,
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
